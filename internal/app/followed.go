package app

import "sync"

// followed are the pipelines whose files this node was given, by name: those that have ticks here.
type followed struct {
	mu    sync.Mutex
	paths map[string]string // guarded by mu
}

// follow remembers the file of a pipeline.
func (f *followed) follow(name, path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.paths == nil {
		f.paths = map[string]string{}
	}
	f.paths[name] = path
}

func (f *followed) unfollow(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.paths, name)
}

// follows returns the path of a pipeline's file, "" where this node was given none.
func (f *followed) follows(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.paths[name]
}
