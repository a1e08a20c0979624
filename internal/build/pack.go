package build

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bakeoffhq/bakeoff"
)

// maxFiles bounds how many files and folders an artifact has.
const maxFiles = 10_000

// Pack writes the files under dir as one tar archive and returns its digest and size. The archive
// follows from the files' names, contents and executable bits alone: entries are sorted, times and
// owners are zero, modes are 0644 or 0755. A link, a device, a name that does not travel between
// systems, or more than 10,000 entries is a *bakeoff.Error of CodeInvalid.
func Pack(dir string, w io.Writer) (bakeoff.Digest, int64, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", 0, fmt.Errorf("open artifact: %w", err)
	}
	defer root.Close()
	sum, size := sha256.New(), new(counter)
	p := packer{files: root.FS(), archive: tar.NewWriter(io.MultiWriter(w, sum, size))}
	if err := fs.WalkDir(p.files, ".", p.visit); err != nil {
		return "", 0, err
	}
	if err := p.archive.Close(); err != nil {
		return "", 0, fmt.Errorf("pack artifact: %w", err)
	}
	return bakeoff.DigestOfSum(sum.Sum(nil)), int64(*size), nil
}

// counter counts the bytes written to it.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

type packer struct {
	files   fs.FS
	archive *tar.Writer
	entries int
}

// visit adds one entry; fs.WalkDir calls it in the order of names.
func (p *packer) visit(name string, entry fs.DirEntry, err error) error {
	if err != nil {
		return fmt.Errorf("read artifact: %w", err)
	}
	if name == "." {
		return nil
	}
	p.entries++
	if err := checkEntry(name, p.entries); err != nil {
		return err
	}
	info, err := entry.Info()
	if err != nil {
		return fmt.Errorf("read artifact: %w", err)
	}
	switch {
	case info.IsDir():
		return p.header(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755})
	case info.Mode().IsRegular():
		return p.file(name, info)
	}
	return bakeoff.Errorf(bakeoff.CodeInvalid, "%q in the artifact is neither a file nor a folder", name).
		WithHint("leave copies in BAKEOFF_MODEL, not links")
}

func (p *packer) file(name string, info fs.FileInfo) error {
	mode := int64(0o644)
	if info.Mode()&0o100 != 0 {
		mode = 0o755
	}
	if err := p.header(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: info.Size(), Mode: mode}); err != nil {
		return err
	}
	f, err := p.files.Open(name)
	if err != nil {
		return fmt.Errorf("read artifact: %w", err)
	}
	defer f.Close()
	if _, err := io.Copy(p.archive, f); err != nil {
		return fmt.Errorf("pack %q: %w", name, err)
	}
	return nil
}

func (p *packer) header(h *tar.Header) error {
	if err := p.archive.WriteHeader(h); err != nil {
		return fmt.Errorf("pack %q: %w", h.Name, err)
	}
	return nil
}

// Unpack writes the files of an archive that Pack made under dir, which it creates. It writes
// nothing outside of dir and no more than maxBytes of contents, whatever the archive says; what
// Pack would not have packed, an entry that is there twice or before its folder, is a *bakeoff.Error of CodeInvalid.
// After an error dir may hold a part of the files.
func Unpack(r io.Reader, dir string, maxBytes int64) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("unpack artifact: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("unpack artifact: %w", err)
	}
	defer root.Close()
	archive := tar.NewReader(r)
	left := maxBytes
	for entries := 1; ; entries++ {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "read artifact: %w", err)
		}
		if left -= h.Size; h.Size < 0 || left < 0 {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "the artifact holds more than %d bytes", maxBytes)
		}
		if err := unpackEntry(root, h, archive, entries); err != nil {
			return err
		}
	}
}

func unpackEntry(root *os.Root, h *tar.Header, contents io.Reader, entries int) error {
	name := strings.TrimSuffix(h.Name, "/")
	if err := checkEntry(name, entries); err != nil {
		return err
	}
	var err error
	switch h.Typeflag {
	case tar.TypeDir:
		err = root.Mkdir(name, 0o755)
	case tar.TypeReg:
		err = unpackFile(root, name, h, contents)
	default:
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%q in the artifact is neither a file nor a folder", name)
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%q is in the artifact twice", name)
	case errors.Is(err, fs.ErrNotExist):
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%q is in the artifact before its folder", name)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return bakeoff.Errorf(bakeoff.CodeInvalid, "read artifact: %q is cut off: %w", name, err)
	case err != nil:
		return fmt.Errorf("unpack %q: %w", name, err)
	}
	return nil
}

func unpackFile(root *os.Root, name string, h *tar.Header, contents io.Reader) (err error) {
	mode := fs.FileMode(0o644)
	if h.Mode&0o100 != 0 {
		mode = 0o755
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.CopyN(f, contents, h.Size)
	return err
}

// checkEntry says whether an artifact may have an entry of that name, as its number-th.
func checkEntry(name string, number int) error {
	if number > maxFiles {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "the artifact has more than %d files", maxFiles).
			WithHint("put them into one archive, and read that when predicting")
	}
	odd := func(r rune) bool { return r == '\\' || r == ':' || unicode.IsControl(r) }
	if name == "." || !fs.ValidPath(name) || !utf8.ValidString(name) || strings.ContainsFunc(name, odd) {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "the artifact has a file with the name %q", name).
			WithHint(`use letters, digits, ".", "-" and "_"`)
	}
	return nil
}

// PackedFile returns the contents of one file of an archive that Pack made. It is an error with
// bakeoff.CodeNotFound if there is none of that name, and one with CodeInvalid if it is larger than
// most bytes.
func PackedFile(path, name string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read artifact: %w", err)
	}
	defer f.Close()
	archive := tar.NewReader(f)
	for {
		h, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil, bakeoff.Errorf(bakeoff.CodeNotFound, "the artifact has no file %q", name)
		case err != nil:
			return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "read artifact: %w", err)
		case h.Name != name || h.Typeflag != tar.TypeReg:
			continue
		case h.Size > most:
			return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "%q in the artifact has %d bytes, want at most %d", name, h.Size, most)
		}
		return io.ReadAll(archive)
	}
}
