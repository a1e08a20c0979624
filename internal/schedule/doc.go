// Package schedule turns pipelines and the clock into a run for each due tick, or a recorded reason
// why there is none.
//
// All that is known of a pipeline's schedule is one record, its cursor. Decide, a pure function,
// makes the next cursor of it; writing that, if nobody else has meanwhile, claims the ticks that it
// decides. What the decision asks for is listed in the cursor itself, is carried out afterwards,
// and is struck off by the next write:
//
//	          Decide, then compare-and-set           start runs, record, notify
//	cursor -------------------------------> owed ------------------------------> cursor
//	               claims the ticks              each may be done twice
//
// A process that stops anywhere leaves a cursor that the next one goes on from: what is owed is
// carried out first. A run's ID is its pipeline and tick, a record is created once and a
// notification is owed once, so doing it twice, or by two processes, comes to the same.
//
// Ticks are moments of the wall clock. A clock that goes back repeats none, since they lie before
// the cursor; one that jumps ahead, a suspended machine and a process that was down are the same
// thing: ticks that nobody looked at in time, for which the schedule has a policy.
package schedule
