package cli

import (
	"context"
	"io"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/bakeoffhq/bakeoff"
)

const redraws = 10 // a second, at most

// live draws a board on a terminal, again and again in the same place.
type live struct {
	program *tea.Program
	stop    context.CancelFunc // of the clock
	running sync.WaitGroup
}

// startLive starts drawing; close ends it. With no input the terminal stays in its mode and is
// asked nothing, whose answers would end up on the command line.
func startLive(w io.Writer, b board, l look) *live {
	ctx, stop := context.WithCancel(context.Background())
	v := &live{
		program: tea.NewProgram(&liveModel{board: b, look: l, now: time.Now()},
			tea.WithOutput(w), tea.WithInput(nil), tea.WithoutSignalHandler(), tea.WithFPS(redraws)),
		stop: stop,
	}
	v.running.Go(func() {
		defer stop()
		_, _ = v.program.Run() // where the terminal has gone, there is nobody left to show it to
	})
	v.running.Go(func() { v.tick(ctx) })
	return v
}

// tick makes time go on between events. The program's own ticks would outlive it.
func (v *live) tick(ctx context.Context) {
	ticker := time.NewTicker(time.Second / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			v.program.Send(clock(now))
		}
	}
}

func (v *live) send(e bakeoff.Event) { v.program.Send(e) }

func (v *live) above(text string) { v.program.Println(text) }

func (v *live) close() {
	v.program.Quit()
	v.running.Wait()
}

// liveModel is the board as the program's model.
type liveModel struct {
	board board
	look  look
	now   time.Time
}

// clock is a time between events.
type clock time.Time

func (m *liveModel) Init() tea.Cmd { return nil }

func (m *liveModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case bakeoff.Event:
		m.board.apply(msg)
		m.now = time.Now()
	case clock:
		m.now = time.Time(msg)
	case tea.WindowSizeMsg:
		m.look.width, m.look.height = msg.Width, msg.Height
	}
	return m, nil
}

func (m *liveModel) View() tea.View {
	return tea.NewView(strings.Join(m.board.draw(m.look, m.now), "\n"))
}
