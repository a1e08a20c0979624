// Package notify turns the outbox, the notifications that are owed, into messages at their
// receivers and a record of what became of each.
//
// A delivery is recorded before it is tried and again when its answer is known, so that a message
// whose answer was lost, because the connection broke or this process died, is sent once more and
// says of itself that it may be a repeat. A webhook offers nothing better: every message arrives at
// least once, and exactly once unless an answer was lost.
//
// A node has a Run. Its loop reads the outbox whenever something is written there and puts a small
// errand into the lane of each receiver; a lane has a goroutine as long as it has errands, and reads
// what an errand tells when its turn comes. A command without a node has a Flush, which tries everything
// a few times and ends.
package notify
