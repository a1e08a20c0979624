// Package notify turns the outbox, the notifications that are owed, into messages at their
// receivers and a record of what became of each.
//
// A delivery is recorded before it is tried and again when its answer is known, so that a message
// whose answer was lost, because the connection broke or this process died, is sent once more and
// says of itself that it may be a repeat. A webhook offers nothing better: every message arrives at
// least once, and exactly once unless an answer was lost.
package notify
