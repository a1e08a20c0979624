// Package proc turns an argument vector into a child process with limits, and its end into an
// Exit that says in which class of failure it falls.
//
// A child leads its own process group, has the environment that its caller gives and one variable
// more, and reads /dev/null unless it is handed a file. It is stopped when its context ends or its time is
// up: a request to the whole group (SIGTERM), a grace period, then SIGKILL to the whole group.
// When the leader has ended, for whatever reason, the rest of its group is killed, and then every
// process that has inherited the variable, which is different for each child: those that have left
// the group, or whose parent has ended. A child that takes more memory than it may is killed at
// once, and so is one whose lease is lost (bakeoff.ErrLeaseLost). Start owns four kinds of goroutines and Wait returns after the last of them:
//
//	supervise   forks and reaps; holds its OS thread, because the kernel kills the child when
//	            the thread that forked it dies (Pdeathsig), which is how a child learns that
//	            this process was killed
//	watch       waits for the context, the limits or the end
//	memory      one where memory is limited; looks at it until the child ends
//	copy        one a piped descriptor; ends at EOF, or soon after the child if something that
//	            left the group keeps the descriptor open
//
// A process that leaves the group and clears its environment, or is another user's, is not reached.
// On systems other than Linux there is no Pdeathsig, no variable and no limit of memory; on systems
// without process groups only the leader is stopped.
package proc
