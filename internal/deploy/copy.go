package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/outbound"
)

// copyForm is the form of the moment in the name of a copied folder.
const copyForm = "20060102T150405.000000Z"

// keepReplaced is how long a folder stays at least after another has taken its place.
const keepReplaced = 10 * time.Minute

// copy replaces the folder that a hook names by the artifact's files.
//
// The folder is a symbolic link to a folder beside it, DIR -> DIR.vN-MOMENT. The new files are written
// and synced there in full before the link is replaced by a rename, which is atomic: whoever resolves
// DIR gets the old folder or the new one, never a mixture, and a crash leaves either. To exchange two
// real folders would be as atomic, but needs a system call that only Linux has, and leaves no name by
// which a reader can hold on to one version; it is used only once, to put the link in the place of a
// real folder that was there before. That one is kept under another name, for its files may be
// somebody's. A reader that resolved the link reads on in its folder: the folder before the newest stays,
// and so does every one that was replaced minutes ago; older ones are removed.
func (d *Deployer) copy(ctx context.Context, j job) outbound.Outcome {
	target := filepath.Clean(j.hook.Copy)
	if !filepath.IsAbs(target) || target == filepath.Dir(target) {
		return outbound.Refused("the folder to copy to is not an absolute path", "correct it in the file")
	}
	switch {
	case replaces(target, d.keep) || d.keep != "" && replaces(d.keep, target):
		return outbound.Refused("the folder to copy to is the store's, or is around or in it", "give another folder")
	case replaces(target, j.dir):
		return outbound.Refused("the folder to copy to has the pipeline's file in it", "give another folder")
	}
	moment := fmt.Sprintf("v%d-%s", j.Version.Version, j.Moved.UTC().Format(copyForm))
	folder := target + "." + moment
	if now, err := os.Readlink(target); err == nil && now == filepath.Base(folder) { // an earlier try came so far
		return copied(nil, "")
	}
	if info, err := os.Lstat(target); err == nil && !info.IsDir() && info.Mode()&fs.ModeSymlink == 0 {
		return outbound.Refused("there is a file where the folder is to be", "move it away, or give another folder")
	}
	if err := d.unpack(ctx, j.Version, folder); err != nil {
		return failed("copy the artifact", err)
	}
	kept, err := point(target, folder, target+".before-"+moment)
	switch {
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.EBUSY):
		return outbound.Refused("the folder cannot be replaced by a symbolic link here: "+err.Error(),
			"give a folder that does not exist yet; if it is a mount point, one inside it")
	case err != nil:
		return failed("put the new folder in place", err)
	}
	return copied(sweep(target, j.Moved), kept)
}

// replaces reports whether to put another folder in the place of target would take a folder away, by
// the name by which it is known or by that which it has without links; "" is none.
func replaces(target, folder string) bool {
	if folder == "" {
		return false
	}
	for _, there := range []string{target, unlinked(target)} {
		if within(there, folder) || within(there, unlinked(folder)) {
			return true
		}
	}
	return false
}

// unlinked returns a path without links on the way to it. What is itself a link stays one: it is the
// link that is replaced.
func unlinked(path string) string {
	parent, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return path
	}
	return filepath.Join(parent, filepath.Base(path))
}

// within reports whether a path is a folder or something in it.
func within(folder, path string) bool {
	way, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(way)
}

// copied is the outcome of a copy. Old folders that cannot be removed are not worth another try.
func copied(sweeping error, kept string) outbound.Outcome {
	o := outbound.Outcome{State: bakeoff.DeliverySent}
	if kept != "" {
		o.Detail = "the folder that was there before is kept as " + kept
	}
	if sweeping != nil {
		o.Detail = "an old folder could not be removed: " + sweeping.Error()
	}
	return o
}

// unpack writes the artifact's files into folder, which is there in full or not at all, and synced.
func (d *Deployer) unpack(ctx context.Context, v bakeoff.Version, folder string) error {
	parent, part := filepath.Dir(folder), folder+".part"
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	for _, leftover := range []string{part, folder} { // of a try that was cut short
		if err := os.RemoveAll(leftover); err != nil {
			return err
		}
	}
	err := os.Mkdir(part, 0o755)
	if err == nil {
		err = d.artifacts(ctx, v, part)
	}
	if err == nil {
		err = syncTree(part)
	}
	if err == nil {
		err = os.Rename(part, folder)
	}
	if err == nil {
		err = syncFile(parent)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(part))
	}
	return nil
}

// syncTree syncs every file and folder below and with root.
func syncTree(root string) error {
	return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncFile(path)
	})
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// point makes target a link to folder, which lies beside it. A real folder that is in its place is
// exchanged for the link, and kept as aside; point returns aside then.
func point(target, folder, aside string) (kept string, err error) {
	name := filepath.Base(folder)
	info, err := os.Lstat(target)
	if err != nil || info.Mode()&fs.ModeSymlink != 0 {
		return "", link(target, name)
	}
	if os.Remove(target) == nil { // it was empty: nothing to keep, and nothing to read
		return "", link(target, name)
	}
	if err := os.Remove(aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := os.Symlink(name, aside); err != nil {
		return "", err
	}
	if err := exchange(aside, target); err != nil {
		return "", errors.Join(err, os.Remove(aside))
	}
	return aside, syncFile(filepath.Dir(target))
}

// link makes target a link to name, in place of a link that is there.
func link(target, name string) error {
	next := target + ".next"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(name, next); err != nil {
		return err
	}
	if err := os.Rename(next, target); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return syncFile(filepath.Dir(target))
}

// sweep removes the folders of earlier deployments beside target that were replaced some time before the
// moment of the newest, and what tries that were cut short have left. It reads the moments in the
// names, not a clock: the folder before the newest is never removed.
func sweep(target string, newest time.Time) error {
	parent, base := filepath.Dir(target), filepath.Base(target)
	ours := regexp.MustCompile(`^` + regexp.QuoteMeta(base) + `\.v\d+-(\d{8}T\d{6}\.\d{6}Z)(\.part)?$`)
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	type folder struct {
		name  string
		moved time.Time
	}
	var folders []folder
	var errs []error
	for _, e := range entries {
		found := ours.FindStringSubmatch(e.Name())
		if found == nil || !e.IsDir() {
			continue
		}
		moved, err := time.Parse(copyForm, found[1])
		switch {
		case found[2] != "":
			errs = append(errs, os.RemoveAll(filepath.Join(parent, e.Name())))
		case err == nil && !moved.After(newest):
			folders = append(folders, folder{e.Name(), moved})
		}
	}
	slices.SortFunc(folders, func(a, b folder) int { return a.moved.Compare(b.moved) })
	for i := range len(folders) - 1 {
		if replaced := folders[i+1].moved; newest.Sub(replaced) >= keepReplaced {
			errs = append(errs, os.RemoveAll(filepath.Join(parent, folders[i].name)))
		}
	}
	return errors.Join(errs...)
}
