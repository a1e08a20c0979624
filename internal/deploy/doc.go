// Package deploy turns the moves of a champion into what people who serve elsewhere are owed: a
// webhook, a command, a copy of the artifact's files; and into a record of what became of each.
//
// A try is recorded before it begins and when it has ended, so that one which was cut short, because
// this process died, is made once more: a hook is carried out at least once, and has to bear a second
// time. A pipeline's deployments are carried out in the order of their moves, the hooks of one in the
// order of the file. A hook that fails is tried again while later hooks go on; a newer deployment
// replaces what an older one still waits for, so that an older version never comes last.
package deploy
