package app

import (
	"context"
	"os"

	"github.com/bakeoffhq/bakeoff"
)

// mistakeIn returns what is wrong with the first file that cannot be read, nil if all can.
func mistakeIn(changes []fileChange) error {
	for _, c := range changes {
		if c.err != nil {
			return c.err
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// applyAll applies the files that a node starts with. In the place of one that cannot be read stands
// what the store has of it: a mistake in one file should keep neither the others nor the models from
// going on after a restart. A file of which the store has nothing is an error.
func (u *up) applyAll(ctx context.Context, changes []fileChange) error {
	for _, c := range changes {
		err := u.changed(ctx, c)
		if err == nil && c.err != nil {
			err = u.leave(ctx, c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// leave applies what the store has of a file that cannot be read.
func (u *up) leave(ctx context.Context, c fileChange) error {
	kept, err := u.store.Pipelines(ctx)
	if err != nil {
		return err
	}
	for _, file := range kept {
		if file.Path == c.path {
			return u.applyAgain(ctx, file)
		}
	}
	return c.err
}

// applyAgain applies a kept file. One that has become unreadable, as for want of a variable, is
// told of already.
func (u *up) applyAgain(ctx context.Context, file bakeoff.PipelineFile) error {
	p, err := u.parse(file)
	if err != nil || u.files.taken(file.Path, file.Name) != nil {
		return nil
	}
	u.files.applied[file.Path].name = file.Name
	return u.apply(ctx, file, p)
}
