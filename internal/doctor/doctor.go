// Package doctor turns a machine and a store's folder into findings: what a node needs, whether it
// is there, and what to do where it is not.
package doctor

import (
	"context"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"time"
)

// Check is one finding.
type Check struct {
	Name   string
	OK     bool
	Detail string // what was found
	Hint   string // what to do; empty where OK
}

// Options say what to look at. Fields that are empty are passed over, with a word where a reader
// would miss them.
type Options struct {
	Store    string   // the folder of the store; it need not exist yet
	Listen   []string // addresses, host:port, that a node is to listen on or listens on
	Commands []string // programs that pipelines start: the first word of each command
	TimeURL  string   // a server whose Date header the clock is compared with
	Client   *http.Client
}

// Checks looks at everything, in an order that a person can read. It writes a small file into the
// store's folder, or the folder above it, and removes it again.
func Checks(ctx context.Context, o Options) []Check {
	system := os.DirFS("/")
	var all []Check
	if o.Store != "" {
		all = append(all, storeFolder(o.Store), syncing(o.Store), space(o.Store))
	}
	all = append(all, memory(system), openFiles(), zone(os.Getenv("TZ"), time.Now()), clock(ctx, o, time.Now))
	for _, address := range o.Listen {
		all = append(all, port(ctx, system, address))
	}
	all = append(all, programs(o.Commands)...)
	return append(all, namespaces(system))
}

// programs says where each program is.
func programs(names []string) []Check {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	if len(names) == 0 {
		return []Check{{Name: "programs", OK: true, Detail: "no pipeline names a command"}}
	}
	all := make([]Check, len(names))
	for i, name := range names {
		all[i] = program(name)
	}
	return all
}

// text reads a small file of the system, or returns "".
func text(system fs.FS, name string) string {
	b, err := fs.ReadFile(system, name)
	if err != nil {
		return ""
	}
	return string(b)
}
