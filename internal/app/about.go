package app

import (
	"context"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/doctor"
)

func pid() int { return os.Getpid() }

// setAddresses remembers where the node answers.
func (n *Node) setAddresses(a Addresses) { n.at.Store(&a) }

// addresses lists where the node answers; a command without a node answers nowhere.
func (n *Node) addresses() []client.Address {
	a := n.at.Load()
	if a == nil {
		return nil
	}
	all := []client.Address{{Serves: "socket", Address: a.Socket}}
	if a.Admin == "" {
		all = append(all, client.Address{Serves: "all", Address: a.URL})
	} else {
		all = append(all, client.Address{Serves: "predictions", Address: a.URL}, client.Address{Serves: "admin", Address: a.Admin})
	}
	if a.NATS != "" {
		all = append(all, client.Address{Serves: "workers", Address: a.NATS})
	}
	return all
}

// roles lists what the process does for its store.
func (n *Node) roles() []string {
	roles := []string{"dispatch", "build", "judge", "notify"}
	if n.at.Load() == nil {
		return roles
	}
	return append([]string{"schedule"}, append(roles, "predict")...)
}

// examined is what a doctor looks at.
func (n *Node) examined(ctx context.Context) doctor.Options {
	o := doctor.Options{Store: n.server.Dir()}
	if a := n.at.Load(); a != nil {
		o.Listen = []string{strings.TrimPrefix(strings.TrimPrefix(a.URL, "http://"), "https://")}
	}
	files, err := n.store.Pipelines(ctx)
	if err != nil {
		return o // the store's own checks say so
	}
	for _, file := range files {
		p, err := n.parse(file)
		if err != nil {
			continue
		}
		for _, c := range p.Candidates {
			for _, argv := range [][]string{c.Build, c.Predict} {
				if len(argv) > 0 && !strings.ContainsRune(argv[0], filepath.Separator) {
					o.Commands = append(o.Commands, argv[0])
				}
			}
		}
	}
	slices.Sort(o.Commands)
	o.Commands = slices.Compact(o.Commands)
	return o
}

// quietLog passes what a server of net/http complains about on, but for callers that hang up or
// speak no TLS: whoever scans ports should not fill a log.
func quietLog(l *slog.Logger) *log.Logger {
	return log.New(complaints{l}, "", 0)
}

type complaints struct{ log *slog.Logger }

// Write implements io.Writer for one complaint a call.
func (c complaints) Write(text []byte) (int, error) {
	level := slog.LevelWarn
	if strings.Contains(string(text), "TLS handshake error") {
		level = slog.LevelDebug
	}
	c.log.Log(context.Background(), level, "web server", "complaint", strings.TrimSpace(string(text)))
	return len(text), nil
}
