package score

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/proc"
)

const (
	blockRows = 1_000           // rows in a request
	blockTime = time.Minute     // for an answer, unless the Spec says otherwise
	maxLine   = 64 << 20        // bytes of an answer
	lastWords = 8 << 10         // of stderr, kept for an error
	closeTime = time.Second     // for a process to end once its stdin is closed
	killGrace = 2 * time.Second // and once it is asked to
)

// request is one line to a predict process.
type request struct {
	ID   uint64           `json:"id"`
	Rows []map[string]any `json:"rows"`
}

// process is a running predict command. It answers one request at a time.
type process struct {
	schema    bakeoff.Schema
	words     *proc.Tail
	scratch   string // the process's HOME
	blockTime time.Duration
	command   proc.Command
	restart   bool

	mu     sync.Mutex
	closed bool          // guarded by mu
	child  *proc.Process // guarded by mu
	in     *os.File      // guarded by mu
	out    *os.File      // guarded by mu
	lines  *bufio.Reader // guarded by mu; reads out
	lastID uint64        // guarded by mu
	broken error         // guarded by mu: why it answers no more

	answered bool // guarded by mu: it has answered; before, nobody asks but who opens it

	once     sync.Once // guards closing
	closeErr error
}

// startProcess starts the predict command, in the pipeline's folder like its build command, with
// BAKEOFF_MODEL, BAKEOFF_SCHEMA, BAKEOFF_PARAMS and BAKEOFF_THREADS as a build has them.
func startProcess(ctx context.Context, s Spec) (*process, error) {
	scratch, err := os.MkdirTemp(filepath.Dir(s.Dir), "predict-")
	if err != nil {
		return nil, err
	}
	p := &process{schema: s.Schema, words: proc.NewTail(lastWords), scratch: scratch, blockTime: s.BlockTime, restart: s.Restart}
	if p.blockTime == 0 {
		p.blockTime = blockTime
	}
	p.command, err = p.describe(s)
	if err == nil {
		err = p.start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(scratch))
	}
	return p, nil
}

// describe says what to start.
func (p *process) describe(s Spec) (proc.Command, error) {
	model, err := filepath.Abs(s.Dir)
	if err != nil {
		return proc.Command{}, err
	}
	dir, err := filepath.Abs(s.PipelineDir)
	if err != nil {
		return proc.Command{}, err
	}
	params := s.Recipe.Params
	if len(params) == 0 {
		params = json.RawMessage("{}")
	}
	files := map[string]any{"schema.json": s.Schema, "params.json": params}
	for name, v := range files {
		text, err := json.Marshal(v)
		if err != nil {
			return proc.Command{}, err
		}
		if err := os.WriteFile(filepath.Join(p.scratch, name), text, 0o600); err != nil {
			return proc.Command{}, err
		}
	}
	return proc.Command{Argv: s.Recipe.Predict, Dir: dir, Stderr: p.words, Grace: killGrace, Env: []string{
		"BAKEOFF_MODEL=" + model,
		"BAKEOFF_SCHEMA=" + filepath.Join(p.scratch, "schema.json"),
		"BAKEOFF_PARAMS=" + filepath.Join(p.scratch, "params.json"),
		"BAKEOFF_THREADS=" + strconv.Itoa(max(1, s.Threads)),
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + p.scratch,
		"TMPDIR=" + p.scratch,
		"LANG=C.UTF-8",
	}}, nil
}

// start starts the child with a pipe at either end.
func (p *process) start(ctx context.Context) error {
	c := p.command
	childIn, in, err := os.Pipe()
	if err != nil {
		return err
	}
	defer childIn.Close()
	out, childOut, err := os.Pipe()
	if err != nil {
		return errors.Join(err, in.Close())
	}
	defer childOut.Close()
	c.Stdin, c.Stdout = childIn, childOut
	if p.child, err = proc.Start(context.WithoutCancel(ctx), c); err != nil {
		return errors.Join(err, in.Close(), out.Close())
	}
	p.in, p.out, p.lines = in, out, bufio.NewReaderSize(out, 64<<10)
	return nil
}

func (p *process) answer(ctx context.Context, t *dataset.Table) (*bakeoff.Predictions, error) {
	t, err := p.features(t)
	if err != nil {
		return nil, err
	}
	all := newAnswers(p.schema, t.Rows)
	for lo := 0; lo < t.Rows; lo += blockRows {
		hi := min(lo+blockRows, t.Rows)
		line, id, err := p.ask(ctx, t.ToRows(lo, hi), lo)
		if err != nil {
			return nil, err
		}
		if err := all.add(line, id, lo, hi-lo); err != nil {
			return nil, p.fail(err)
		}
	}
	return all.predictions(), nil
}

func (p *process) answerInto(ctx context.Context, t *dataset.Table, into *bakeoff.Predictions) error {
	answers, err := p.answer(ctx, t)
	if err == nil {
		*into = *answers
	}
	return err
}

// features returns the schema's columns of t, in the schema's order.
func (p *process) features(t *dataset.Table) (*dataset.Table, error) {
	out := &dataset.Table{Rows: t.Rows, Columns: make([]dataset.Column, len(p.schema.Columns))}
	for i, want := range p.schema.Columns {
		c := t.Column(want.Name)
		if c == nil {
			return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "the rows have no column %q", want.Name)
		}
		if c.Kind != want.Kind {
			return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "column %q is of kind %s, the model was trained on %s", want.Name, c.Kind, want.Kind)
		}
		out.Columns[i] = *c
	}
	return out, nil
}

func (p *process) unseen(t *dataset.Table) int {
	total := 0
	for _, want := range p.schema.Columns {
		c := t.Column(want.Name)
		if c == nil || want.Kind != bakeoff.KindCategory || c.Kind != want.Kind {
			continue
		}
		for _, code := range c.Codes {
			if code < 0 {
				continue
			}
			if _, known := slices.BinarySearch(want.Categories, c.Levels[code]); !known {
				total++
			}
		}
	}
	return total
}

func (p *process) memory() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.broken != nil {
		return 0
	}
	return p.child.Memory()
}

// ask sends one block, whose first row is number lo from 0, and returns the line that came back.
func (p *process) ask(ctx context.Context, rows []map[string]any, lo int) (line []byte, id uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.revive(ctx); err != nil {
		return nil, 0, err
	}
	if ctx.Err() != nil {
		return nil, 0, context.Cause(ctx)
	}
	if p.restart && p.answered { // others are waiting for the process, too
		ctx = context.WithoutCancel(ctx)
	}
	p.lastID++
	text, err := json.Marshal(request{ID: p.lastID, Rows: rows})
	if err != nil {
		return nil, 0, fmt.Errorf("write rows from row %d: %w", lo+1, err)
	}
	deadline := time.Now().Add(p.blockTime)
	_ = p.in.SetWriteDeadline(deadline)
	_ = p.out.SetReadDeadline(deadline)
	release := context.AfterFunc(ctx, func() {
		_ = p.in.SetWriteDeadline(time.Unix(1, 0))
		_ = p.out.SetReadDeadline(time.Unix(1, 0))
	})
	defer release()
	_, err = p.in.Write(append(text, '\n'))
	if err == nil {
		line, err = readLine(p.lines)
	}
	if err == nil {
		p.answered = true
		return line, p.lastID, nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	} else {
		err = p.diagnose(err, lo+1, lo+len(rows))
	}
	p.abandon(err)
	return nil, 0, err
}

// revive starts a process that answers no more again, if that is wanted, or says why it does not
// answer. The caller holds mu.
func (p *process) revive(ctx context.Context) error {
	if p.broken == nil || p.closed || !p.restart {
		return p.broken
	}
	p.child.Wait() // abandon has killed it
	if err := errors.Join(ignoreClosed(p.in.Close()), ignoreClosed(p.out.Close())); err != nil {
		return fmt.Errorf("start the predict command again: %w", err)
	}
	if err := p.start(ctx); err != nil {
		return fmt.Errorf("start the predict command again: %w", err)
	}
	p.broken = nil
	return nil
}

var errLongLine = errors.New("line too long")

// readLine returns the next line without its end. A line that ends with the stream is io.ErrUnexpectedEOF.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > maxLine {
			return nil, errLongLine
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}

// diagnose says why no answer came for the rows from lo to hi, numbered from 1.
func (p *process) diagnose(err error, lo, hi int) error {
	where := fmt.Sprintf("predict command, rows %d to %d", lo, hi)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%s: no answer within %s%s", where, proc.Shorten(p.blockTime), p.lastWords()).
			WithHint("answer each line of stdin with one line on stdout, and flush it")
	case errors.Is(err, errLongLine):
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%s: the answer is longer than %d MiB", where, maxLine>>20)
	}
	// The pipe broke: the process has ended or is about to, or closed its stdout and lives on.
	select {
	case <-p.child.Done():
	case <-time.After(closeTime):
		p.child.Kill()
	}
	how := "closed its output"
	if errors.Is(err, io.ErrUnexpectedEOF) {
		how = "ended in the middle of a line"
	}
	exit := p.child.Wait()
	switch {
	case exit.OK():
		how += ": exit code 0"
	case exit.Class != bakeoff.FailedCancelled:
		how += ": " + exit.Reason()
	}
	return bakeoff.Errorf(bakeoff.CodeInvalid, "%s: it %s%s", where, how, p.lastWords())
}

// lastWords returns the last line that the process left on stderr, for the end of an error.
func (p *process) lastWords() string {
	lines := strings.Split(strings.TrimSpace(string(p.words.Bytes())), "\n")
	if last := shown(lines[len(lines)-1]); last != "" {
		return ": " + last
	}
	return ""
}

// shown makes foreign text fit for an error: one short line without control characters.
func shown(text string) string {
	const most = 200
	clean := strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "?")))
	if runes := []rune(clean); len(runes) > most {
		return string(runes[:most-3]) + "..."
	}
	return clean
}

// fail ends a process that answered wrongly: what it says next cannot be trusted either.
func (p *process) fail(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.abandon(err)
	return err
}

// abandon kills the process; the caller holds mu.
func (p *process) abandon(err error) {
	if p.broken == nil {
		p.broken = bakeoff.Errorf(bakeoff.CodeInvalid, "the predict process was ended after an error: %w", err)
	}
	p.child.Kill()
}

// close lets the process end by itself when its stdin does, then asks it to, then makes it.
func (p *process) close() error {
	p.once.Do(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.closed = true
		if p.broken == nil {
			p.broken = bakeoff.Errorf(bakeoff.CodeInternal, "the model is closed")
		}
		inErr := ignoreClosed(p.in.Close())
		patience := time.NewTimer(closeTime)
		defer patience.Stop()
		select {
		case <-p.child.Done():
		case <-patience.C:
			p.child.Stop()
		}
		p.child.Wait()
		p.closeErr = errors.Join(inErr, ignoreClosed(p.out.Close()), os.RemoveAll(p.scratch))
	})
	return p.closeErr
}

// ignoreClosed passes over that a pipe is closed already, as after a restart that did not succeed.
func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
