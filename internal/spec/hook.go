package spec

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// hook reads what is done after a model's champion has moved.
func (d *decoder) hook(n *node, source string) bakeoff.Hook {
	h := bakeoff.Hook{Time: time.Minute}
	kind := d.oneKind(n, place{"deploy", "hooks", "[]"}, "hook", []string{"webhook", "command", "copy"})
	switch kind {
	case "webhook":
		h.AllowPrivate = n.get("allow_private").truth()
		h.Webhook = d.webhook(n.get("webhook"), "hook", webhookForm, h.AllowPrivate)
		h.Secret = d.verbatim(n.get("secret"), "secret", "leave it out for no signature")
	case "command":
		h.Command = d.argv(n.get("command"))
		h.Time = 10 * time.Minute
	case "copy":
		h.Copy = d.copyTo(n.get("copy"), source)
	}
	if kind == "command" || kind == "copy" {
		d.belongs(n, "secret", kind, "webhook")
		d.belongs(n, "allow_private", kind, "webhook")
	}
	if limit := n.get("time"); limit != nil {
		h.Time = d.duration(limit, "time limit", "leave it out for the default")
	}
	return h
}

// copyTo reads the folder that a copy replaces, and makes it absolute. What the user works with
// must not be in it, since everything there is replaced.
func (d *decoder) copyTo(n *node, source string) string {
	folder := d.filled(n, "folder")
	if folder == "" {
		return ""
	}
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(d.dir, folder)
	}
	folder = filepath.Clean(folder)
	const hint = "name a folder for the copy alone, such as ./model"
	switch {
	case within(d.dir, folder):
		d.node(n, hint, "the copy replaces the folder %s, and this file is in it", n.shown())
	case source != "" && within(source, folder):
		d.node(n, hint, "the copy replaces the folder %s, and the data is in it", n.shown())
	}
	return folder
}

// within reports whether an absolute path is a folder or something in it.
func within(path, folder string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
