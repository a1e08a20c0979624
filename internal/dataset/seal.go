package dataset

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"github.com/cespare/xxhash/v2"
)

// A frozen part is a Parquet file with a seal: a checksum of all its other bytes, in the gap before
// the footer, where readers of Parquet do not look. Parquet has checksums for pages only, and a
// reader that believes a damaged footer may allocate without bound, which nothing can recover from.
// So ReadParquet lets the library see whole files alone. (The seal is against damage. Against
// malice there is the part's digest, which whoever fetches it checks.)
const sealMagic = "bakeoff1"

const (
	sealSize = len(sealMagic) + 8
	tailSize = 8 // length of the footer and "PAR1"
)

var errNotSealed = errors.New("the file is damaged, or no frozen rows")

// Seal puts the seal into a Parquet file that was just written.
func Seal(file *os.File) error {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	footer, err := readFooter(file, size)
	if err != nil {
		return err
	}
	start := size - int64(len(footer))
	mark, err := sealOf(file, start, footer)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(append(mark, footer...), start)
	return err
}

// CheckSeal reports an error unless the file, of that size, is as Seal left it.
func CheckSeal(file io.ReaderAt, size int64) error {
	footer, err := readFooter(file, size)
	if err != nil {
		return err
	}
	start := size - int64(len(footer)) - int64(sealSize)
	if start < 0 {
		return errNotSealed
	}
	found := make([]byte, sealSize)
	if _, err := file.ReadAt(found, start); err != nil {
		return err
	}
	if !bytes.HasPrefix(found, []byte(sealMagic)) {
		return errNotSealed
	}
	want, err := sealOf(file, start, footer)
	if err != nil {
		return err
	}
	if !bytes.Equal(found, want) {
		return errNotSealed
	}
	return nil
}

// readFooter returns the footer of a Parquet file with its length and magic behind it.
func readFooter(file io.ReaderAt, size int64) ([]byte, error) {
	if size < tailSize {
		return nil, errNotSealed
	}
	var tail [tailSize]byte
	if _, err := file.ReadAt(tail[:], size-tailSize); err != nil {
		return nil, err
	}
	length := int64(binary.LittleEndian.Uint32(tail[:])) + tailSize
	if length > size || string(tail[4:]) != "PAR1" {
		return nil, errNotSealed
	}
	footer := make([]byte, length)
	_, err := file.ReadAt(footer, size-length)
	return footer, err
}

// sealOf returns the seal of a file that holds body bytes before the seal, and the footer after it.
func sealOf(file io.ReaderAt, body int64, footer []byte) ([]byte, error) {
	hash := xxhash.New()
	if _, err := io.Copy(hash, io.NewSectionReader(file, 0, body)); err != nil {
		return nil, err
	}
	_, _ = hash.Write(footer) // never fails, by its documentation
	return binary.LittleEndian.AppendUint64([]byte(sealMagic), hash.Sum64()), nil
}
