package dataset

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/bakeoffhq/bakeoff"
)

// valueForm says how the values of a Parquet column are to be read.
type valueForm struct {
	// text returns a value as a CSV file would have it.
	text func(parquet.Value) string
	// number returns a value that is a number; nil where values are read by their text.
	number func(parquet.Value) float64
	bytes  bool // a value is its text
}

// formOf returns the form of a type's values. What is not known has the text that the library gives it.
func formOf(t parquet.Type) valueForm {
	if logical := t.LogicalType(); logical != nil {
		switch l := logical.Value.(type) {
		case *format.DateType:
			return valueForm{text: func(v parquet.Value) string { return formatDate(float64(v.Int32()) * daySeconds) }}
		case *format.TimestampType:
			return timestampForm(l.Unit)
		case *format.DecimalType:
			if l.Scale <= maxScale {
				return decimalForm(t.Kind(), int(l.Scale))
			}
		case *format.IntType:
			if !l.IsSigned {
				return unsignedForm(t.Kind())
			}
		case *format.UUIDType:
			return valueForm{text: uuidText}
		}
	}
	return physicalForm(t.Kind())
}

const (
	daySeconds = 24 * 60 * 60
	maxScale   = 76 // of a decimal, as 32 bytes can hold it
)

func physicalForm(kind parquet.Kind) valueForm {
	switch kind {
	case parquet.Boolean:
		return valueForm{
			text: func(v parquet.Value) string { return strconv.FormatBool(v.Boolean()) },
			number: func(v parquet.Value) float64 {
				if v.Boolean() {
					return 1
				}
				return 0
			},
		}
	case parquet.Int32, parquet.Int64:
		whole := func(v parquet.Value) int64 { return v.Int64() }
		if kind == parquet.Int32 {
			whole = func(v parquet.Value) int64 { return int64(v.Int32()) }
		}
		return valueForm{
			text:   func(v parquet.Value) string { return strconv.FormatInt(whole(v), 10) },
			number: func(v parquet.Value) float64 { return float64(whole(v)) },
		}
	case parquet.Int96:
		return valueForm{text: int96Text}
	case parquet.Float:
		return valueForm{
			text:   func(v parquet.Value) string { return formatFloat(float64(v.Float()), 32) },
			number: func(v parquet.Value) float64 { return float64(v.Float()) },
		}
	case parquet.Double:
		return valueForm{text: func(v parquet.Value) string { return formatFloat(v.Double(), 64) }, number: parquet.Value.Double}
	case parquet.ByteArray, parquet.FixedLenByteArray:
		return valueForm{text: func(v parquet.Value) string { return string(v.ByteArray()) }, bytes: true}
	}
	return valueForm{text: parquet.Value.String}
}

// formatFloat is formatValue for a number of so many bits. NaN, which other programs have for a missing
// value, is none.
func formatFloat(v float64, bits int) string {
	switch {
	case v != v:
		return ""
	case v == math.Trunc(v) && math.Abs(v) < 1e15:
		return strconv.FormatFloat(v, 'f', -1, bits)
	}
	return strconv.FormatFloat(v, 'g', -1, bits)
}

func unsignedForm(kind parquet.Kind) valueForm {
	whole := parquet.Value.Uint64
	if kind == parquet.Int32 {
		whole = func(v parquet.Value) uint64 { return uint64(v.Uint32()) }
	}
	return valueForm{
		text:   func(v parquet.Value) string { return strconv.FormatUint(whole(v), 10) },
		number: func(v parquet.Value) float64 { return float64(whole(v)) },
	}
}

// timestampForm has the text of a moment to the microsecond, as a date column holds it.
func timestampForm(unit format.TimeUnit) valueForm {
	micros := func(v int64) int64 { return v }
	switch unit.Value.(type) {
	case *format.MilliSeconds:
		micros = func(v int64) int64 { return v * 1000 }
	case *format.NanoSeconds:
		micros = func(v int64) int64 { return floorDiv(v, 1000) }
	}
	return valueForm{text: func(v parquet.Value) string { return formatDate(secondsOf(micros(v.Int64()))) }}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// int96Text reads what Spark and Hive have for moments: nanoseconds of a day, and a Julian day.
func int96Text(v parquet.Value) string {
	const epoch = 2_440_588 // the Julian day of 1970-01-01
	i := v.Int96()
	nanos := int64(uint64(i[1])<<32 | uint64(i[0]))
	return formatDate(float64(int64(i[2])-epoch)*daySeconds + float64(nanos/1000)/1e6)
}

func decimalForm(kind parquet.Kind, scale int) valueForm {
	unscaled := func(v parquet.Value) *big.Int { return big.NewInt(v.Int64()) }
	switch kind {
	case parquet.Int32:
		unscaled = func(v parquet.Value) *big.Int { return big.NewInt(int64(v.Int32())) }
	case parquet.ByteArray, parquet.FixedLenByteArray:
		unscaled = func(v parquet.Value) *big.Int { return twosComplement(v.ByteArray()) }
	}
	return valueForm{text: func(v parquet.Value) string { return decimalText(unscaled(v), scale) }}
}

// twosComplement reads a signed number whose first byte is the highest.
func twosComplement(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

// decimalText writes a number with so many digits behind the point.
func decimalText(unscaled *big.Int, scale int) string {
	if scale <= 0 {
		return unscaled.String()
	}
	digits := new(big.Int).Abs(unscaled).String()
	if len(digits) <= scale {
		digits = strings.Repeat("0", scale-len(digits)+1) + digits
	}
	sign := ""
	if unscaled.Sign() < 0 {
		sign = "-"
	}
	return sign + digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
}

func uuidText(v parquet.Value) string {
	b := v.ByteArray()
	if len(b) != 16 {
		return string(b)
	}
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", b[:4], b[4:6], b[6:8], b[8:10], uint64(binary.BigEndian.Uint16(b[10:]))<<32|uint64(binary.BigEndian.Uint32(b[12:])))
}

// fits reports whether a column of the kind can hold a number that a Parquet column has.
func fits(kind bakeoff.Kind, v float64) bool {
	switch kind {
	case bakeoff.KindBoolean:
		return v == 0 || v == 1
	case bakeoff.KindInteger:
		return v == math.Trunc(v) && math.Abs(v) < maxInteger
	}
	return kind == bakeoff.KindNumber
}
