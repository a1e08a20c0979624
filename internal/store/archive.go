package store

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// A backup is a tar archive:
//
//	manifest.json          format, time and the program that wrote it; always first
//	records/BUCKET/KEY     a record as JSON; a large one as {"$object": DIGEST}
//	objects/HEX            an object under the SHA-256 of its content
//	end.json               how many there are, and a digest over all of it; always last
//
// An archive without its end is not a backup.
const (
	archiveFormat = 1

	manifestName = "manifest.json"
	endName      = "end.json"
	recordPrefix = "records/"
	objectPrefix = "objects/"

	maxRecord   = 1 << 20 // what a message of the store holds at most
	maxManifest = 64 << 10
)

// Summary says what a backup holds.
type Summary struct {
	Time    time.Time      `json:"time"`    // when it was begun
	Bakeoff string         `json:"bakeoff"` // version of the program that wrote it
	Records int            `json:"records"`
	Objects int            `json:"objects"`
	Bytes   int64          `json:"bytes"`  // of both, without the archive's own
	Digest  bakeoff.Digest `json:"digest"` // over the names, sizes and contents of both, in order
}

type manifest struct {
	Format  int       `json:"format"`
	Bakeoff string    `json:"bakeoff"`
	Time    time.Time `json:"time"`
}

// end is the last entry of an archive.
type end struct {
	Records int            `json:"records"`
	Objects int            `json:"objects"`
	Bytes   int64          `json:"bytes"`
	Digest  bakeoff.Digest `json:"digest"`
}

var keyForm = regexp.MustCompile(`^[-_=a-zA-Z0-9]+(\.[-_=a-zA-Z0-9]+)*$`)

// tally counts entries and digests them in order: a line of name, size and SHA-256 for each.
type tally struct {
	end
	sum hash.Hash
}

func newTally() *tally { return &tally{sum: sha256.New()} }

func (t *tally) add(name string, size int64, content []byte) {
	fmt.Fprintf(t.sum, "%s %d %s\n", name, size, hex.EncodeToString(content)) // a hash takes every write
	switch {
	case strings.HasPrefix(name, recordPrefix):
		t.Records++
		t.Bytes += size
	case strings.HasPrefix(name, objectPrefix):
		t.Objects++
		t.Bytes += size
	}
}

func (t *tally) total() end {
	e := t.end
	e.Digest = bakeoff.DigestOfSum(t.sum.Sum(nil))
	return e
}

func (m manifest) summary(e end) Summary {
	return Summary{Time: m.Time, Bakeoff: m.Bakeoff, Records: e.Records, Objects: e.Objects, Bytes: e.Bytes, Digest: e.Digest}
}

// destination remembers that it could not be written.
type destination struct {
	w   io.Writer
	err error
}

func (d *destination) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	if err != nil {
		d.err = err
	}
	return n, err
}

// archiveWriter writes the entries of a backup.
type archiveWriter struct {
	out      *destination
	tar      *tar.Writer
	manifest manifest
	tally    *tally
}

func newArchiveWriter(w io.Writer, m manifest) (*archiveWriter, error) {
	out := &destination{w: w}
	a := &archiveWriter{out: out, tar: tar.NewWriter(out), manifest: m, tally: newTally()}
	return a, a.json(manifestName, m)
}

func (a *archiveWriter) json(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return a.bytes(name, append(b, '\n'))
}

func (a *archiveWriter) bytes(name string, b []byte) error {
	return a.entry(name, int64(len(b)), func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// entry writes one entry of a known size, which write must write exactly.
func (a *archiveWriter) entry(name string, size int64, write func(io.Writer) error) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: a.manifest.Time, Format: tar.FormatPAX}
	if err := a.tar.WriteHeader(header); err != nil {
		return err
	}
	sum := sha256.New()
	if err := write(io.MultiWriter(a.tar, sum)); err != nil {
		return err
	}
	if err := a.tar.Flush(); err != nil { // fails if less than size was written
		return err
	}
	a.tally.add(name, size, sum.Sum(nil))
	return nil
}

func (a *archiveWriter) close() (Summary, error) {
	total := a.tally.total()
	if err := a.json(endName, total); err != nil {
		return Summary{}, err
	}
	return a.manifest.summary(total), a.tar.Close()
}

// sink takes what an archive holds. An object's reader gives an error in place of its end if the
// content is not what its name says.
type sink struct {
	record func(bucket, key string, value []byte) error
	object func(digest bakeoff.Digest, content io.Reader) error
}

// Verify reads a backup and checks everything in it, without a store. A file that is cut off,
// altered or not a backup has code Invalid.
func Verify(r io.Reader) (Summary, error) {
	return readArchive(r, sink{
		record: func(string, string, []byte) error { return nil },
		object: func(_ bakeoff.Digest, content io.Reader) error {
			_, err := io.Copy(io.Discard, content)
			return err
		},
	})
}

// readArchive hands out the entries of a backup in their order, and ends well only after its end
// was read and agrees with what came before.
func readArchive(r io.Reader, to sink) (Summary, error) {
	a := &archiveReader{tar: tar.NewReader(r), tally: newTally(), to: to}
	m, err := a.manifest()
	if err != nil {
		return Summary{}, err
	}
	for {
		header, err := a.next()
		if err != nil {
			return Summary{}, err
		}
		if header.Name == endName {
			total, err := a.end(header)
			return m.summary(total), err
		}
		if err := a.content(header); err != nil {
			return Summary{}, err
		}
	}
}

type archiveReader struct {
	tar   *tar.Reader
	tally *tally
	to    sink
}

// bad explains an archive that cannot be trusted.
func bad(format string, args ...any) error {
	return bakeoff.Errorf(bakeoff.CodeInvalid, "read backup: "+format, args...).
		WithHint("the file is cut off, was altered, or is not a backup; use another one")
}

// next returns the header of the next entry: a plain file, no more of it than is stored.
func (a *archiveReader) next() (*tar.Header, error) {
	header, err := a.tar.Next()
	if errors.Is(err, io.EOF) {
		return nil, bad("it ends without %s", endName)
	}
	if err != nil {
		return nil, bad("%w", err)
	}
	for key := range header.PAXRecords {
		if key != "path" && key != "size" && key != "mtime" {
			return nil, bad("entry %.100q has the attribute %.40q, which no backup has", header.Name, key)
		}
	}
	if header.Typeflag != tar.TypeReg {
		return nil, bad("entry %.100q is not a plain file", header.Name)
	}
	return header, nil
}

// bytes reads the whole entry, which must not be larger than limit.
func (a *archiveReader) bytes(header *tar.Header, limit int64) ([]byte, error) {
	if header.Size > limit {
		return nil, bad("entry %.200q has %d bytes, more than the %d that it may have", header.Name, header.Size, limit)
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, a.tar); err != nil {
		return nil, bad("entry %.200q: %w", header.Name, err)
	}
	return b.Bytes(), nil
}

func (a *archiveReader) manifest() (m manifest, err error) {
	header, err := a.next()
	if err != nil {
		return m, err
	}
	if header.Name != manifestName {
		return m, bad("it begins with %.100q and not with %s", header.Name, manifestName)
	}
	b, err := a.bytes(header, maxManifest)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, bad("%s: %w", manifestName, err)
	}
	if m.Format != archiveFormat {
		return m, bakeoff.Errorf(bakeoff.CodeInvalid, "read backup: it has format %d, written by bakeoff %.40q; this program reads format %d", m.Format, m.Bakeoff, archiveFormat).
			WithHint("restore it with the version of bakeoff that wrote it")
	}
	sum := sha256.Sum256(b)
	a.tally.add(manifestName, header.Size, sum[:])
	return m, nil
}

func (a *archiveReader) end(header *tar.Header) (end, error) {
	b, err := a.bytes(header, maxManifest)
	if err != nil {
		return end{}, err
	}
	var want end
	if err := json.Unmarshal(b, &want); err != nil {
		return end{}, bad("%s: %w", endName, err)
	}
	if got := a.tally.total(); got != want {
		return end{}, bad("it holds %d records and %d objects with digest %s, and should hold %d and %d with %.71q",
			got.Records, got.Objects, got.Digest, want.Records, want.Objects, want.Digest)
	}
	if _, err := a.tar.Next(); !errors.Is(err, io.EOF) {
		return end{}, bad("it goes on after %s", endName)
	}
	return want, nil
}

func (a *archiveReader) content(header *tar.Header) error {
	if name, ok := strings.CutPrefix(header.Name, recordPrefix); ok {
		return a.record(header, name)
	}
	if name, ok := strings.CutPrefix(header.Name, objectPrefix); ok {
		return a.object(header, bakeoff.Digest("sha256:"+name))
	}
	return bad("entry %.100q is neither a record nor an object", header.Name)
}

func (a *archiveReader) record(header *tar.Header, name string) error {
	bucket, key, _ := strings.Cut(name, "/")
	if !slices.Contains(backupOrder, bucket) || !keyForm.MatchString(key) {
		return bad("entry %.200q names no record", header.Name)
	}
	value, err := a.bytes(header, maxRecord)
	if err != nil {
		return err
	}
	if !json.Valid(value) {
		return bad("entry %.200q is not JSON", header.Name)
	}
	sum := sha256.Sum256(value)
	a.tally.add(header.Name, header.Size, sum[:])
	return a.to.record(bucket, key, value)
}

func (a *archiveReader) object(header *tar.Header, digest bakeoff.Digest) error {
	if !digest.Valid() {
		return bad("entry %.100q names no object", header.Name)
	}
	content := &checked{r: a.tar, want: digest, sum: sha256.New()}
	if err := a.to.object(digest, content); err != nil {
		return err
	}
	if !content.ended {
		return fmt.Errorf("read backup: object %s was not read to its end", digest.Short())
	}
	a.tally.add(header.Name, header.Size, content.sum.Sum(nil))
	return nil
}

// checked reads content and ends with an error if it does not have its digest.
type checked struct {
	r     io.Reader
	want  bakeoff.Digest
	sum   hash.Hash
	ended bool
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.sum.Write(p[:n])
	if err == nil {
		return n, nil
	}
	if !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return n, bad("object %s: %w", c.want.Short(), err)
	}
	if got := bakeoff.DigestOfSum(c.sum.Sum(nil)); got != c.want {
		return n, bad("object %s is damaged: its content has digest %s", c.want, got)
	}
	c.ended = true
	return n, io.EOF
}
