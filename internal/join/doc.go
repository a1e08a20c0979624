// Package join turns requests of workers and predicting nodes on other machines into calls on a
// node's store, and a connection to such a node into what a worker or a predicting node needs.
//
// A joined process never speaks to the engine itself. It connects to the port that its node has
// opened and may publish to the subjects bakeoff.join.v1.CALL.KEY.NAME alone, where KEY is the
// digest of its secret and NAME its own name, and subscribe to its inbox and to
// bakeoff.join.v1.changed. The server refuses it everything else, so that the gateway knows from a
// request's subject who asks, and checks the rest: which queues, which trial, which rows.
//
// A message is one line of JSON and, for the calls that carry content, bytes after it. Every call
// may be repeated: a client asks again when its connection breaks, and goes on where it was when the
// node has been restarted.
//
// A task is handed out with a lease that the node has sealed: whoever shows it again proves to have
// been given it. Once an attempt has begun, its token is shown too, and a call counts only while the
// attempt on record is this one. A file that was handed in whole has a receipt, sealed likewise: a
// result names no artifact and no log but those for which it shows one, or that its trial has on
// record, so that nobody claims an object of which he knows the digest alone. Times on records are the
// node's: the clock of a joined machine plays no part.
package join
