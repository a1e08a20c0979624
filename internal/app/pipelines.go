package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/spec"
)

// LoadPipeline reads a pipeline file, as it is kept and as it is understood.
func LoadPipeline(path string, lookup func(string) (string, bool)) (bakeoff.PipelineFile, *bakeoff.Pipeline, error) {
	p, err := spec.Load(path, spec.Options{LookupEnv: lookup})
	if err != nil {
		return bakeoff.PipelineFile{}, nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return bakeoff.PipelineFile{}, nil, fmt.Errorf("read %s: %w", path, err)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return bakeoff.PipelineFile{}, nil, fmt.Errorf("resolve %s: %w", path, err)
	}
	if bakeoff.DigestOf(text) != p.Revision {
		return bakeoff.PipelineFile{}, nil, bakeoff.Errorf(bakeoff.CodeConflict, "%s was changed while it was read", path).WithHint("try again")
	}
	return bakeoff.PipelineFile{
		Name: p.Name, Revision: p.Revision, Path: absolute, Text: string(text), Applied: time.Now().UTC(),
	}, p, nil
}

// Pipeline returns a kept revision of a pipeline, with the variables of today: the text is kept as
// written, with the names of variables and not their values.
func (n *Node) Pipeline(ctx context.Context, name string, revision bakeoff.Digest) (*bakeoff.Pipeline, error) {
	file, err := n.store.Pipeline(ctx, name, revision)
	if err != nil {
		return nil, err
	}
	p, err := spec.Parse(filepath.Base(file.Path), filepath.Dir(file.Path), []byte(file.Text), spec.Options{LookupEnv: n.config.LookupEnv})
	if err != nil {
		return nil, fmt.Errorf("read pipeline %s again: %w", name, err)
	}
	return p, nil
}

func (n *Node) receivers(ctx context.Context, pipeline string, revision bakeoff.Digest) ([]bakeoff.Receiver, error) {
	p, err := n.Pipeline(ctx, pipeline, revision)
	if err != nil {
		return nil, err
	}
	return p.Notify, nil
}
