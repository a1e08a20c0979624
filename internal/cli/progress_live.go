package cli

import (
	"context"
	"os"
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
	drawn   <-chan struct{} // a frame is on the screen
	ended   <-chan struct{} // nothing is drawn any more
	running sync.WaitGroup
}

// startLive starts drawing; close ends it. With no input the terminal stays in its mode and is
// asked nothing, whose answers would end up on the command line.
func startLive(w *os.File, b board, l look) *live {
	drawn, firstFrame := context.WithCancel(context.Background())
	ended, end := context.WithCancel(context.Background())
	v := &live{
		program: tea.NewProgram(&liveModel{board: b, look: l, now: time.Now()},
			tea.WithOutput(&screen{File: w, written: firstFrame}),
			tea.WithInput(nil), tea.WithoutSignalHandler(), tea.WithFPS(redraws)),
		drawn: drawn.Done(),
		ended: ended.Done(),
	}
	v.running.Go(func() {
		defer firstFrame() // there will be none any more
		defer end()
		_, _ = v.program.Run() // where the terminal has gone, there is nobody left to show it to
	})
	v.running.Go(v.tick)
	return v
}

// screen is a terminal that tells when something was written to it.
type screen struct {
	*os.File
	written func()
}

func (s *screen) Write(frame []byte) (int, error) {
	defer s.written()
	return s.File.Write(frame)
}

// tick makes time go on between events. The program's own ticks would outlive it.
func (v *live) tick() {
	ticker := time.NewTicker(time.Second / 2)
	defer ticker.Stop()
	for {
		select {
		case <-v.ended:
			return
		case now := <-ticker.C:
			v.program.Send(clock(now))
		}
	}
}

func (v *live) send(e bakeoff.Event) { v.program.Send(e) }

// above puts text above the block. Before the first frame the program would take the whole screen
// for the block. Its own Println waits for ever once it has ended.
func (v *live) above(text string) {
	<-v.drawn
	v.program.Send(tea.Println(text)())
}

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

// terminalCursor is the shape of the cursor as the terminal has it, for which nothing is sent.
const terminalCursor tea.CursorShape = -1

// View ends in an empty line: the program wipes the last one when it ends. The cursor stays there
// and visible, so that the echo of a Ctrl-C does not land in a bar, and a program that is killed
// leaves the terminal as it was.
func (m *liveModel) View() tea.View {
	lines := m.board.draw(m.look, m.now)
	v := tea.NewView(strings.Join(lines, "\n") + "\n")
	v.DisableBracketedPasteMode = true
	v.Cursor = tea.NewCursor(0, len(lines))
	if m.look.height > 0 {
		v.Cursor.Y = min(v.Cursor.Y, m.look.height-1)
	}
	v.Cursor.Shape, v.Cursor.Blink = terminalCursor, false
	return v
}
