package bakeoff

import (
	"errors"
	"fmt"
)

// Code classifies an error for machines: the exit code of a command and the status of an HTTP
// answer follow from it.
type Code string

// The codes. An error without one is CodeInternal.
const (
	CodeInvalid      Code = "invalid"      // the user's file, flag or data is wrong; exit code 2
	CodeNotFound     Code = "not_found"    // the thing named does not exist
	CodeConflict     Code = "conflict"     // somebody else changed it first
	CodeBusy         Code = "busy"         // held by another process
	CodeUnavailable  Code = "unavailable"  // a disk, a peer or a receiver does not answer
	CodeCancelled    Code = "cancelled"    // stopped on request
	CodeInternal     Code = "internal"     // a fault of ours
	CodeUnauthorized Code = "unauthorized" // a token is missing or wrong
	CodeForbidden    Code = "forbidden"    // whoever asks may not do this
	CodeOverload     Code = "overload"     // too much at once; try again soon
)

// ErrChampionMoved says that the champion which a decision was made against is no longer the champion.
var ErrChampionMoved = errors.New("the champion has moved since it was judged")

// ErrLeaseLost says that a task may be another worker's by now: who works on it stops at once,
// without a grace period.
var ErrLeaseLost = errors.New("the lease was lost")

// Error is an error that a person can act on. Message says what was wrong and where; Hint says
// what to do next and may be empty; Err is the cause, already told in Message, and may be nil.
type Error struct {
	Code    Code
	Message string
	Hint    string
	Err     error
}

// Error returns the message, without the hint: the hint is shown once, by whoever prints the
// error last.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an *Error with the code and a message formatted as by fmt.Errorf; an error behind
// a %w verb is its cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Err: errors.Unwrap(err)}
}

// WithHint returns a copy of e whose hint is formatted as by fmt.Sprintf.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// CodeOf returns the code of the outermost *Error in err's chain, CodeInternal where there is
// none, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

// HintOf returns the first hint in err's chain, or "".
func HintOf(err error) string {
	for e, ok := errors.AsType[*Error](err); ok; e, ok = errors.AsType[*Error](e.Err) {
		if e.Hint != "" {
			return e.Hint
		}
	}
	return ""
}
