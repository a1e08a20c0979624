package build_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/build"
)

// write writes files by their path below dir.
func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// tree returns the contents of the files below dir, by path, and of folders their mode.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			files[name+"/"] = ""
			return nil
		}
		text, err := os.ReadFile(path)
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var model = map[string]string{
	"model.json": "{}", "weights/layer.10": "ten", "weights/layer.9": strings.Repeat("nine", 1000),
	"empty": "", "a name with spaces, and Hangul 모델": "x", strings.Repeat("deep/", 30) + "down": "y",
}

func TestPackIsTheSameForTheSameFiles(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	write(t, one, model)
	write(t, two, model)
	then := time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)
	if err := os.Chtimes(filepath.Join(two, "model.json"), then, then); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(two, "empty"), 0o444); err != nil {
		t.Fatal(err)
	}
	var a, b bytes.Buffer
	digest, size, err := build.Pack(one, &a)
	if err != nil {
		t.Fatal(err)
	}
	if again, _, err := build.Pack(two, &b); err != nil || again != digest || !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Errorf("digests %s and %s, %v", digest, again, err)
	}
	if digest != bakeoff.DigestOf(a.Bytes()) || size != int64(a.Len()) {
		t.Errorf("digest %s, size %d of %d bytes with digest %s", digest, size, a.Len(), bakeoff.DigestOf(a.Bytes()))
	}
	if err := os.Chmod(filepath.Join(two, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	if third, _, err := build.Pack(two, &b); err != nil || third == digest {
		t.Errorf("an executable file makes no difference (%v)", err)
	}
}

func TestUnpackIsTheInverseOfPack(t *testing.T) {
	dir, out := t.TempDir(), filepath.Join(t.TempDir(), "new")
	write(t, dir, model)
	write(t, dir, map[string]string{"run.sh": "#!/bin/sh"})
	if err := os.Chmod(filepath.Join(dir, "run.sh"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "hollow"), 0o700); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	digest, _, err := build.Pack(dir, &archive)
	if err != nil {
		t.Fatal(err)
	}
	if err := build.Unpack(&archive, out, 1<<20); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tree(t, dir), tree(t, out)); diff != "" {
		t.Error(diff)
	}
	if again, _, err := build.Pack(out, &archive); err != nil || again != digest {
		t.Errorf("packed again: %s, want %s (%v)", again, digest, err)
	}
}

func TestPackRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(dir string) error
		want string
	}{
		{"a link to a file", func(d string) error { return os.Symlink("/etc/passwd", filepath.Join(d, "x")) }, `"x" in the artifact is neither a file nor a folder`},
		{"a link to a folder", func(d string) error { return os.Symlink("..", filepath.Join(d, "x")) }, `"x" in the artifact is neither`},
		{"a link that leads nowhere", func(d string) error { return os.Symlink("nowhere", filepath.Join(d, "x")) }, `"x" in the artifact is neither`},
		{"a pipe", func(d string) error { return syscall.Mkfifo(filepath.Join(d, "x"), 0o600) }, `"x" in the artifact is neither`},
		{"a backslash", func(d string) error { return os.WriteFile(filepath.Join(d, `..\x`), nil, 0o600) }, `the artifact has a file with the name "..\\x"`},
		{"a line break", func(d string) error { return os.WriteFile(filepath.Join(d, "a\nb"), nil, 0o600) }, `the artifact has a file with the name "a\nb"`},
		{"not text", func(d string) error { return os.WriteFile(filepath.Join(d, "a\xff"), nil, 0o600) }, `the artifact has a file with the name "a\xff"`},
		{"too many files", func(d string) error {
			for i := range 10_001 {
				if err := os.WriteFile(filepath.Join(d, fmt.Sprint(i)), nil, 0o600); err != nil {
					return err
				}
			}
			return nil
		}, "the artifact has more than 10000 files"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := c.make(dir); err != nil {
				t.Fatal(err)
			}
			_, _, err := build.Pack(dir, new(bytes.Buffer))
			if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || !strings.Contains(err.Error(), c.want) || bakeoff.HintOf(err) == "" {
				t.Errorf("code %q, hint %q, error %v; want %q", bakeoff.CodeOf(err), bakeoff.HintOf(err), err, c.want)
			}
		})
	}
}

// archive makes a tar of the headers; a file's contents are as many bytes as its header says.
func archive(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, h.Size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestUnpackRefuses(t *testing.T) {
	file := func(name string) tar.Header {
		return tar.Header{Typeflag: tar.TypeReg, Name: name, Size: 3, Mode: 0o644}
	}
	for _, c := range []struct {
		name    string
		archive []byte
		want    string
	}{
		{"a path up", archive(t, file("../x")), `with the name "../x"`},
		{"a path up inside", archive(t, file("a/../../x")), `with the name "a/../../x"`},
		{"an absolute path", archive(t, file("/tmp/x")), `with the name "/tmp/x"`},
		{"a drive", archive(t, file("C:x")), `with the name "C:x"`},
		{"a backslash", archive(t, file(`..\x`)), `with the name "..\\x"`},
		{"no name", archive(t, file("")), `with the name ""`},
		{"the folder itself", archive(t, tar.Header{Typeflag: tar.TypeDir, Name: "./"}), `with the name "."`},
		{"a folder up", archive(t, tar.Header{Typeflag: tar.TypeDir, Name: "../", Mode: 0o755}), `with the name ".."`},
		{"a link", archive(t, tar.Header{Typeflag: tar.TypeSymlink, Name: "x", Linkname: "/etc"}, file("x/passwd")), `"x" in the artifact is neither`},
		{"a hard link", archive(t, tar.Header{Typeflag: tar.TypeLink, Name: "x", Linkname: "/etc/passwd"}), `"x" in the artifact is neither`},
		{"a device", archive(t, tar.Header{Typeflag: tar.TypeChar, Name: "x"}), `"x" in the artifact is neither`},
		{"a file twice", archive(t, file("x"), file("x")), `"x" is in the artifact twice`},
		{"a file without its folder", archive(t, file("a/x")), `"a/x" is in the artifact before its folder`},
		{"a file in a file", archive(t, file("x"), file("x/y")), `"x/y"`},
		{"too large", archive(t, file("x"), tar.Header{Typeflag: tar.TypeReg, Name: "y", Size: 98}), "more than 100 bytes"},
		{"cut off", archive(t, file("x"))[:513], "read artifact"},
		{"not an archive", []byte(strings.Repeat("no", 600)), "read artifact"},
	} {
		t.Run(c.name, func(t *testing.T) {
			parent := t.TempDir()
			err := build.Unpack(bytes.NewReader(c.archive), filepath.Join(parent, "artifact"), 100)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if entries, err := os.ReadDir(parent); err != nil || len(entries) != 1 {
				t.Errorf("%d entries beside the artifact (%v)", len(entries)-1, err)
			}
		})
	}
}

// repair writes the right checksum into every header that it finds, so that a change to a header
// is not refused for its checksum alone.
func repair(b []byte) []byte {
	b = bytes.Clone(b)
	for at := 0; at+512 <= len(b); {
		header := b[at : at+512]
		copy(header[148:156], "        ")
		sum := 0
		for _, c := range header {
			sum += int(c)
		}
		copy(header[148:156], fmt.Sprintf("%06o\x00 ", sum))
		size, err := strconv.ParseUint(strings.Trim(string(header[124:136]), " \x00"), 8, 20)
		if err != nil {
			break
		}
		at += 512 + int(size+511)/512*512
	}
	return b
}

// FuzzUnpack: whatever the archive, nothing is written outside of the folder, nor more than was
// allowed, and what was unpacked packs and unpacks to the same digest.
func FuzzUnpack(f *testing.F) {
	dir := f.TempDir()
	write(f, dir, map[string]string{"model.json": "{}", "weights/layer": "one"})
	var packed bytes.Buffer
	if _, _, err := build.Pack(dir, &packed); err != nil {
		f.Fatal(err)
	}
	f.Add(packed.Bytes())
	f.Add(archive(f, tar.Header{Typeflag: tar.TypeReg, Name: "../x", Size: 3}))
	f.Add(archive(f, tar.Header{Typeflag: tar.TypeSymlink, Name: "x", Linkname: ".."}, tar.Header{Typeflag: tar.TypeReg, Name: "x/y", Size: 3}))
	f.Add(archive(f, tar.Header{Typeflag: tar.TypeReg, Name: "x", Size: 3, PAXRecords: map[string]string{"A.b": "c"}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		const most = 1 << 16
		parent := t.TempDir()
		out := filepath.Join(parent, "artifact")
		err := build.Unpack(bytes.NewReader(repair(b)), out, most)
		if entries, readErr := os.ReadDir(parent); readErr != nil || len(entries) != 1 {
			t.Fatalf("%d entries, want the artifact alone (%v)", len(entries), readErr)
		}
		size := 0
		for _, text := range tree(t, out) {
			size += len(text)
		}
		if size > most {
			t.Fatalf("%d bytes were written", size)
		}
		if err != nil {
			return
		}
		var again bytes.Buffer
		digest, _, err := build.Pack(out, &again)
		if err != nil {
			t.Fatalf("unpacked, but cannot be packed: %v", err)
		}
		second := filepath.Join(parent, "second")
		if err := build.Unpack(&again, second, most); err != nil {
			t.Fatal(err)
		}
		if repacked, _, err := build.Pack(second, new(bytes.Buffer)); err != nil || repacked != digest {
			t.Fatalf("digest %s became %s (%v)", digest, repacked, err)
		}
	})
}

func TestPackedFile(t *testing.T) {
	dir, path := t.TempDir(), filepath.Join(t.TempDir(), "artifact.tar")
	for name, text := range map[string]string{"card.json": "{}", "model.bin": "0123456789"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := build.Pack(dir, f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if text, err := build.PackedFile(path, "card.json", 2); err != nil || string(text) != "{}" {
		t.Errorf("card.json: %q, %v", text, err)
	}
	for name, want := range map[string]bakeoff.Code{"model.bin": bakeoff.CodeInvalid, "other": bakeoff.CodeNotFound} {
		if _, err := build.PackedFile(path, name, 9); bakeoff.CodeOf(err) != want {
			t.Errorf("%s: %v, want code %s", name, err, want)
		}
	}
}
