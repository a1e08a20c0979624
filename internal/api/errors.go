package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/access"
)

// huma keeps these for the whole process. They are set once, before anything runs: errors have our
// form and do not repeat what was sent, lists are never null, and names are told apart by their case.
func init() {
	huma.NewError = refuse
	huma.DefaultArrayNullable = false
	huma.ValidateStrictCasing = true
}

// errorAnswer is an error as huma answers it.
type errorAnswer struct {
	client.ErrorBody
	status int
}

// Error implements error.
func (e *errorAnswer) Error() string { return e.ErrorBody.Error.Message }

// GetStatus implements huma.StatusError.
func (e *errorAnswer) GetStatus() int { return e.status }

// GetHeaders implements huma.HeadersError.
func (e *errorAnswer) GetHeaders() http.Header {
	if e.status == http.StatusTooManyRequests {
		return http.Header{"Retry-After": {"1"}}
	}
	return nil
}

// refuse makes an answer of what huma finds wrong with a request. The values that it found stay out:
// they are the caller's data.
func refuse(status int, message string, errs ...error) huma.StatusError {
	code := bakeoff.CodeInvalid
	if status >= http.StatusInternalServerError {
		code = bakeoff.CodeInternal
	} else {
		status = http.StatusBadRequest
	}
	var found []string
	for _, err := range errs {
		if d, ok := err.(huma.ErrorDetailer); ok { // huma wraps none
			detail := d.ErrorDetail()
			found = append(found, detail.Location+": "+detail.Message)
		}
	}
	if len(found) > 0 {
		message = strings.Join(found, "; ")
	}
	return &errorAnswer{status: status, ErrorBody: client.ErrorBody{Error: client.ErrorDetail{Code: code, Message: message}}}
}

// failure makes an answer of an error of the node.
func (a *api) failure(ctx context.Context, r route, err error) error {
	told := a.told(ctx, r, err)
	return &errorAnswer{status: client.StatusOf(told.Code), ErrorBody: client.ErrorBody{Error: told}}
}

// told returns what a caller is told of an error. A fault of ours may name things of the machine: it
// is told to those who may do everything anyway, and logged for them.
func (a *api) told(ctx context.Context, r route, err error) client.ErrorDetail {
	if _, ok := errors.AsType[*bakeoff.Error](err); !ok && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = bakeoff.Errorf(bakeoff.CodeUnavailable, "%s took too long: %w", r.id, err).
			WithHint("see what became of it before asking again")
	}
	d := client.ErrorDetail{Code: bakeoff.CodeOf(err), Message: err.Error(), Hint: bakeoff.HintOf(err)}
	if d.Code != bakeoff.CodeInternal || ctx.Err() != nil {
		return d
	}
	a.options.Log.Error("a request failed", "operation", r.id, "by", access.CallerOf(ctx).Name, "error", err)
	if !access.CallerOf(ctx).May(access.Admin) {
		d.Message, d.Hint = "a fault of the node", "its log says more"
	}
	return d
}
