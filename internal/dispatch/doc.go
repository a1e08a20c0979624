// Package dispatch turns a run that was asked for into tasks, and the results of tasks into the
// run's next state, until its verdict stands.
//
//	snapshot --frozen--> build --all trials ended--> evaluate --judged--> promote --committed--> ended
//	    \                  \                            ^  \                 |  \                  ^
//	     \                  \                           |   \                |   `--moved twice----'
//	      `--no snapshot-----`--cancelled---------------+----`-> promote     |      (kept)
//	                                                    |                    |
//	                                                    `--champion moved----'
//
// Where the snapshot holds out rows that the champion was trained on, because its split rotates, the
// run gets one more trial, the first: the champion's recipe, built again.
//
// A candidate with a search is tried before it is built: its trial is searching, with a task for each
// setting of a rung, until the settings of the last rung have ended. Then it waits for its build, with the
// parameters that were chosen. Builds and settings together are no more than Parallel at once.
//
// A run's deadline ends the trials that have not ended: out of build that leads to evaluate, out of
// snapshot to promote, with a failure. A run that retries another begins in build, with the rows and
// the artifacts of that one.
//
// The course of a run is two pure functions: Step, from a state and an event to the next state,
// and Effects, from a state to what has to be done in it. The Dispatcher around them stores each
// state before it carries out its effects, and carries them out again at start and every minute:
// a crash between any two lines leads to the same end. It keeps little in memory of the runs that
// are open and nothing of those that have ended.
package dispatch
