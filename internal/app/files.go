package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// lookEvery is how often pipeline files are looked at for edits. Looking is a stat a file; it works
// on every file system and for every way in which editors replace files.
const lookEvery = 2 * time.Second

// files are the pipeline files that a node was started with, and what it made of them.
type files struct {
	named   []string // as given: files and folders
	lenient bool     // one that is not there is no mistake: it was there once
	lookup  func(string) (string, bool)
	applied map[string]*appliedFile // by path
}

// appliedFile is one pipeline file as it was last looked at.
type appliedFile struct {
	stamp string // of the file and the .env beside it; "" to look at it again
	name  string // of its pipeline; "" while it could never be read
	wrong bool   // it could not be read the last time
}

// fileChange is what became of one file since the last look.
type fileChange struct {
	path     string
	file     bakeoff.PipelineFile
	pipeline *bakeoff.Pipeline
	removed  string // the name of the pipeline whose file is gone
	err      error  // the file cannot be read; what was applied before stands
}

// candidatesKey tells a pipeline file from the other YAML files of a folder.
var candidatesKey = regexp.MustCompile(`(?m)^["']?candidates["']?\s*:`)

// paths lists the files to look at: those named, and of a folder the YAML files that have
// candidates, or had when they were applied. With a folder that is gone for a moment, its files stay.
func (f *files) paths() ([]string, error) {
	var paths []string
	for _, name := range f.named {
		info, err := os.Stat(name)
		if err != nil && f.applied == nil && !f.lenient {
			return nil, noFile(name, err)
		}
		if err != nil {
			paths = append(paths, f.below(name)...)
			continue
		}
		if !info.IsDir() {
			paths = append(paths, name)
			continue
		}
		inside, err := f.inside(name)
		if err != nil {
			return nil, err
		}
		paths = append(paths, inside...)
	}
	for i, p := range paths {
		absolute, err := filepath.Abs(p)
		if err != nil {
			return nil, fmt.Errorf("resolve %s: %w", p, err)
		}
		paths[i] = absolute
	}
	slices.Sort(paths)
	return slices.Compact(paths), nil
}

// below lists the applied files that are the one named, or lie in it.
func (f *files) below(name string) []string {
	absolute, err := filepath.Abs(name)
	if err != nil {
		return nil
	}
	var paths []string
	for path := range f.applied {
		if path == absolute || filepath.Dir(path) == absolute {
			paths = append(paths, path)
		}
	}
	return paths
}

func noFile(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "there is no file or folder %s", name).WithHint("`bakeoff init` writes a pipeline file")
	}
	return bakeoff.Errorf(bakeoff.CodeInvalid, "look at %s: %w", name, err)
}

// inside lists the pipeline files of a folder. One that has been applied stays one while it exists:
// an edit that breaks it is a mistake to tell of.
func (f *files) inside(folder string) ([]string, error) {
	known := f.below(folder)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "look into %s: %w", folder, err)
	}
	var paths []string
	for _, e := range entries {
		if ext := strings.ToLower(filepath.Ext(e.Name())); ext != ".yaml" && ext != ".yml" {
			continue
		}
		path := filepath.Join(folder, e.Name())
		if absolute, err := filepath.Abs(path); err == nil && slices.Contains(known, absolute) {
			paths = append(paths, path)
			continue
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has just gone
		}
		if err != nil || candidatesKey.Match(bytes.TrimPrefix(text, []byte("\ufeff"))) {
			paths = append(paths, path)
		}
	}
	return paths, nil
}

// look reads every file that has changed since the last look, and says what changed.
func (f *files) look() ([]fileChange, error) {
	paths, err := f.paths()
	if err != nil {
		return nil, err
	}
	if f.applied == nil {
		f.applied = map[string]*appliedFile{}
	}
	var changes []fileChange
	for path, a := range f.applied {
		if !slices.Contains(paths, path) {
			delete(f.applied, path)
			changes = append(changes, fileChange{path: path, removed: a.name})
		}
	}
	for _, path := range paths {
		if c, changed := f.read(path); changed {
			changes = append(changes, c)
		}
	}
	if slices.ContainsFunc(changes, func(c fileChange) bool { return c.removed != "" }) {
		f.doubt() // a name is free again
	}
	return changes, nil
}

// doubt has the files that could not be read looked at once more.
func (f *files) doubt() {
	for _, a := range f.applied {
		if a.wrong {
			a.stamp = ""
		}
	}
}

func (f *files) read(path string) (fileChange, bool) {
	now := stamp(path) + stamp(filepath.Join(filepath.Dir(path), ".env"))
	a := f.applied[path]
	if a == nil {
		a = &appliedFile{}
		f.applied[path] = a
	}
	if a.stamp == now {
		return fileChange{}, false
	}
	c := fileChange{path: path}
	c.file, c.pipeline, c.err = LoadPipeline(path, f.lookup)
	if bakeoff.CodeOf(c.err) == bakeoff.CodeConflict {
		return c, false // it is being written: next time
	}
	if c.err == nil {
		c.err = f.taken(path, c.file.Name)
	}
	if c.err == nil && a.name != "" && a.name != c.file.Name {
		c.removed = a.name // the file was given another pipeline's name
	}
	a.stamp, a.wrong = now, c.err != nil
	if c.err == nil {
		a.name = c.file.Name
	}
	return c, true
}

// taken refuses a second file for a pipeline.
func (f *files) taken(path, name string) error {
	for other, a := range f.applied {
		if other != path && a.name == name {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "%s: its pipeline has the name of that in %s, %s", path, other, name).
				WithHint("give one of them another name")
		}
	}
	return nil
}

// stamp changes whenever the file does.
func stamp(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "-|"
	}
	return fmt.Sprintf("%d %d %s|", info.Size(), info.ModTime().UnixNano(), info.Mode())
}

// watch looks for changes until ctx ends.
func (f *files) watch(ctx context.Context, apply func(fileChange) error) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	fault := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		changes, err := f.look()
		now := ""
		if err != nil {
			now = err.Error()
		}
		if now != fault { // it is told once, and that it is over
			fault, changes = now, append(changes, fileChange{err: err})
		}
		for _, c := range changes {
			if err := apply(c); err != nil {
				return err
			}
		}
	}
}
