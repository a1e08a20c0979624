package wire

import (
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/bakeoffhq/bakeoff"
)

// maxDepth bounds how deep lists and objects may be nested.
const maxDepth = 32

// scanner reads JSON (RFC 8259) from memory, forward only, and without making anything of what it
// reads: spans of the input are handed out as they are.
type scanner struct {
	data []byte
	at   int
	text []byte // the last text that had escapes
}

// malformed is the error for JSON that is none, at an offset.
func malformed(at int, format string, args ...any) *bakeoff.Error {
	return bakeoff.Errorf(bakeoff.CodeInvalid, "malformed JSON at byte %d: %s", at, fmt.Sprintf(format, args...))
}

// peek returns the next byte that is not white space, without reading it; 0 at the end.
func (s *scanner) peek() byte {
	for ; s.at < len(s.data); s.at++ {
		switch c := s.data[s.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// open reads the bracket that begins a list or an object.
func (s *scanner) open(bracket byte) error {
	if s.peek() != bracket {
		return s.unexpected(string(bracket))
	}
	s.at++
	return nil
}

// more moves to the next item of a list or an object, which it says there is; else it has read the
// closing bracket.
func (s *scanner) more(first bool, bracket byte) (bool, error) {
	c := s.peek()
	switch {
	case c == bracket:
		s.at++
		return false, nil
	case first:
		return true, nil
	case c != ',':
		return false, s.unexpected("a comma or " + string(bracket))
	}
	s.at++
	if s.peek() == bracket {
		return false, malformed(s.at, "a comma stands before %c", bracket)
	}
	return true, nil
}

// key reads a member's name and the colon. What it returns is good until the next text is read.
func (s *scanner) key() ([]byte, error) {
	name, err := s.string()
	if err != nil {
		return nil, err
	}
	if s.peek() != ':' {
		return nil, s.unexpected("a colon")
	}
	s.at++
	return name, nil
}

// end makes sure that nothing follows.
func (s *scanner) end() error {
	if s.peek() != 0 || s.at < len(s.data) {
		return malformed(s.at, "there is more after the end of the object")
	}
	return nil
}

// unexpected says what stands where something else should. It shows no more than one byte of
// syntax, for what is in quotes may be a person's.
func (s *scanner) unexpected(wanted string) error {
	if s.at >= len(s.data) {
		return malformed(s.at, "it ends where %s is wanted", wanted)
	}
	if s.notNumber() {
		return malformed(s.at, "NaN and Infinity are not JSON").WithHint("send null for a missing value")
	}
	return malformed(s.at, "%s is wanted", wanted)
}

// notNumber reports whether the next word is one of those that Python writes and JSON does not have.
func (s *scanner) notNumber() bool {
	for _, word := range []string{"NaN", "Infinity", "-Infinity"} {
		if s.has(word) {
			return true
		}
	}
	return false
}

func (s *scanner) has(word string) bool {
	return len(s.data)-s.at >= len(word) && string(s.data[s.at:s.at+len(word)]) == word
}

// word reads true, false or null.
func (s *scanner) word(word string) error {
	if !s.has(word) {
		return s.unexpected("a value")
	}
	s.at += len(word)
	return nil
}

// null reads a null if there is one.
func (s *scanner) null() (bool, error) {
	if s.peek() != 'n' {
		return false, nil
	}
	return true, s.word("null")
}

// string reads a text. What it returns is good until the next text is read.
func (s *scanner) string() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.unexpected("a quote")
	}
	start := s.at + 1
	ascii := true
	for i := start; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			s.at = i + 1
			return s.valid(s.data[start:i], start, ascii)
		case c == '\\':
			return s.escaped(start, i)
		case c < ' ':
			return nil, malformed(i, "a control character stands in a text")
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, malformed(start-1, "the text that begins here does not end")
}

func (s *scanner) valid(text []byte, start int, ascii bool) ([]byte, error) {
	if !ascii && !utf8.Valid(text) {
		return nil, malformed(start, "the text that begins here is not UTF-8")
	}
	return text, nil
}

// escaped reads the rest of a text that begins at start and has its first escape at i.
func (s *scanner) escaped(start, i int) ([]byte, error) {
	text := append(s.text[:0], s.data[start:i]...)
	for i < len(s.data) {
		switch c := s.data[i]; {
		case c == '"':
			s.at, s.text = i+1, text
			return s.valid(text, start, false)
		case c < ' ':
			return nil, malformed(i, "a control character stands in a text")
		case c != '\\':
			text = append(text, c)
			i++
		default:
			var err error
			if text, i, err = s.escape(text, i); err != nil {
				return nil, err
			}
		}
	}
	return nil, malformed(start-1, "the text that begins here does not end")
}

// escape appends what the escape at i stands for, and returns where it ends.
func (s *scanner) escape(text []byte, i int) ([]byte, int, error) {
	if i+1 >= len(s.data) {
		return nil, 0, malformed(i, "it ends in an escape")
	}
	switch c := s.data[i+1]; c {
	case '"', '\\', '/':
		return append(text, c), i + 2, nil
	case 'b':
		return append(text, '\b'), i + 2, nil
	case 'f':
		return append(text, '\f'), i + 2, nil
	case 'n':
		return append(text, '\n'), i + 2, nil
	case 'r':
		return append(text, '\r'), i + 2, nil
	case 't':
		return append(text, '\t'), i + 2, nil
	case 'u':
		return s.unicode(text, i)
	}
	return nil, 0, malformed(i, "unknown escape")
}

// unicode is escape for \uXXXX. Half of a surrogate pair becomes U+FFFD, as in encoding/json.
func (s *scanner) unicode(text []byte, i int) ([]byte, int, error) {
	r, ok := s.hex(i)
	if !ok {
		return nil, 0, malformed(i, "four hexadecimal digits are wanted after \\u")
	}
	i += 6
	if utf16.IsSurrogate(r) {
		second, ok := s.hex(i)
		if r = utf16.DecodeRune(r, second); ok && r != utf8.RuneError {
			i += 6
		} else {
			r = utf8.RuneError
		}
	}
	return utf8.AppendRune(text, r), i, nil
}

// hex reads \uXXXX at i.
func (s *scanner) hex(i int) (rune, bool) {
	if len(s.data)-i < 6 || s.data[i] != '\\' || s.data[i+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range s.data[i+2 : i+6] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// powers are the powers of ten that a float64 holds exactly.
var powers = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// exact is the number below which a float64 holds every integer.
const exact = 1 << 53

// digits are the digits of a number as they are read.
type digits struct {
	mantissa uint64
	count    int
	cut      bool // there are more than fit
}

// read reads digits from i on and returns where they end.
func (d *digits) read(data []byte, i int) int {
	start := i
	for ; i < len(data) && '0' <= data[i] && data[i] <= '9'; i++ {
		if d.mantissa >= exact {
			d.cut = true
			continue
		}
		d.mantissa = d.mantissa*10 + uint64(data[i]-'0')
	}
	d.count = i - start
	return i
}

// number reads a number; one that a float64 cannot hold is infinite. Where mantissa and power of
// ten are both exact one rounding gives the nearest float64 (Clinger 1990, the fast path).
func (s *scanner) number() (float64, error) {
	start := s.at
	i := start
	negative := i < len(s.data) && s.data[i] == '-'
	if negative {
		i++
	}
	var d digits
	whole := i
	i = d.read(s.data, i)
	if d.count == 0 || d.count > 1 && s.data[whole] == '0' {
		return 0, s.unexpected("a value")
	}
	exponent := 0
	if i < len(s.data) && s.data[i] == '.' {
		i = d.read(s.data, i+1)
		if exponent = -d.count; d.count == 0 {
			return 0, malformed(i, "a digit is wanted after the point")
		}
	}
	if i < len(s.data) && (s.data[i] == 'e' || s.data[i] == 'E') {
		e, end, err := readExponent(s.data, i+1)
		if err != nil {
			return 0, err
		}
		exponent, i = exponent+e, end
	}
	s.at = i
	if d.mantissa < exact && !d.cut && -22 <= exponent && exponent <= 22 {
		v := float64(d.mantissa)
		if exponent < 0 {
			v /= powers[-exponent]
		} else {
			v *= powers[exponent]
		}
		if negative {
			v = -v
		}
		return v + 0, nil // no negative zero
	}
	v, _ := strconv.ParseFloat(string(s.data[start:i]), 64) // the only error left is the range
	return v + 0, nil
}

// readExponent reads what follows an e.
func readExponent(data []byte, i int) (exponent, end int, err error) {
	negative := false
	if i < len(data) && (data[i] == '+' || data[i] == '-') {
		negative = data[i] == '-'
		i++
	}
	start := i
	for ; i < len(data) && '0' <= data[i] && data[i] <= '9'; i++ {
		exponent = min(exponent*10+int(data[i]-'0'), 1_000_000_000) // far beyond the range of a float64
	}
	if i == start {
		return 0, 0, malformed(i, "a digit is wanted in the exponent")
	}
	if negative {
		exponent = -exponent
	}
	return exponent, i, nil
}

// skip reads a value and returns its span.
func (s *scanner) skip() ([]byte, error) {
	s.peek()
	start := s.at
	err := s.skipTo(maxDepth)
	return s.data[start:s.at], err
}

func (s *scanner) skipTo(depth int) error {
	if depth == 0 {
		return malformed(s.at, "it is nested deeper than %d", maxDepth)
	}
	switch c := s.peek(); {
	case c == '"':
		_, err := s.string()
		return err
	case c == '-' || '0' <= c && c <= '9':
		_, err := s.number()
		return err
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	case c == '[' || c == '{':
		return s.skipItems(c, depth-1)
	}
	return s.unexpected("a value")
}

func (s *scanner) skipItems(bracket byte, depth int) error {
	s.at++
	for first := true; ; first = false {
		more, err := s.more(first, bracket+2) // ] and } are two after [ and {
		if err != nil || !more {
			return err
		}
		if bracket == '{' {
			if _, err := s.key(); err != nil {
				return err
			}
		}
		if err := s.skipTo(depth); err != nil {
			return err
		}
	}
}
