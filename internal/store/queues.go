package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// QueueState is what a queue holds: tasks that wait, and those that are worked on.
type QueueState struct {
	Tasks  int
	Oldest time.Time // when the oldest of them was put there
}

// QueueStates returns the queues that hold tasks, by name, whether anybody takes from them or not.
func (s *Store) QueueStates(ctx context.Context) (map[string]QueueState, error) {
	info, err := s.tasks.Info(ctx, jetstream.WithSubjectFilter("task.>"))
	if err != nil {
		return nil, fmt.Errorf("look at the queues: %w", unavailable(err))
	}
	states := map[string]QueueState{}
	for subject, n := range info.State.Subjects {
		name, _, _ := strings.Cut(strings.TrimPrefix(subject, "task."), ".")
		states[name] = QueueState{Tasks: states[name].Tasks + int(n)}
	}
	for name, state := range states {
		oldest, err := s.tasks.GetMsg(ctx, info.State.FirstSeq, jetstream.WithGetMsgSubject("task."+name+".>"))
		if errors.Is(err, jetstream.ErrMsgNotFound) { // its last task was done meanwhile
			delete(states, name)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look at queue %s: %w", name, unavailable(err))
		}
		state.Oldest = oldest.Time
		states[name] = state
	}
	return states, nil
}
