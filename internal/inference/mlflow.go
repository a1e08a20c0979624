package inference

import (
	"encoding/json"
	"mime"
	"net/http"
	"strings"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/wire"
)

// mlflow has the endpoints of MLflow's scoring server, and the path that Databricks gives each model.
func (h *handler) mlflow(mux *http.ServeMux) {
	on(mux, http.MethodPost, "/invocations", failMLflow, func(w http.ResponseWriter, r *http.Request) {
		model, err := h.defaultModel()
		if err != nil {
			failMLflow(w, failureOf(err))
			return
		}
		h.invoke(w, r, model)
	})
	on(mux, http.MethodPost, "/serving-endpoints/{model}/invocations", failMLflow, func(w http.ResponseWriter, r *http.Request) {
		h.invoke(w, r, r.PathValue("model"))
	})
	nothing(mux, "/serving-endpoints/", failMLflow, "POST /serving-endpoints/NAME/invocations asks for predictions")
	on(mux, http.MethodGet, "/ping", failMLflow, h.ping)
	on(mux, http.MethodGet, "/health", failMLflow, h.ping)
	on(mux, http.MethodGet, "/version", failMLflow, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = jsonType // as MLflow has it, though the body is bare
		_, _ = w.Write([]byte(h.opt.Version)) // an error means that nobody is there to read it
	})
}

// defaultModel returns the model that answers where the path names none.
func (h *handler) defaultModel() (string, error) {
	if h.opt.DefaultModel != "" {
		return h.opt.DefaultModel, nil
	}
	names := h.models.Names()
	switch len(names) {
	case 0:
		return "", bakeoff.Errorf(bakeoff.CodeNotFound, "there is no model yet")
	case 1:
		return names[0], nil
	}
	return "", bakeoff.Errorf(bakeoff.CodeNotFound, "there are %d models and none is the default", len(names)).
		WithHint("POST /serving-endpoints/NAME/invocations, where NAME is one of %s", strings.Join(names[:min(len(names), 20)], ", "))
}

// ping answers as long as there is a model that can.
func (h *handler) ping(w http.ResponseWriter, r *http.Request) {
	model, err := h.defaultModel()
	if names := h.models.Names(); err != nil && len(names) > 0 {
		model, err = names[0], nil
	}
	if err == nil {
		var m Model
		if m, err = h.models.Acquire(r.Context(), model, ""); err == nil {
			m.Release()
		}
	}
	w.Header()["Content-Type"] = jsonType
	if err != nil {
		w.WriteHeader(http.StatusNotFound)
	}
	_, _ = w.Write([]byte("\n")) // an error means that nobody is there to read it
}

// invoke answers a request to the champion of a model.
func (h *handler) invoke(w http.ResponseWriter, r *http.Request, model string) {
	form, ok := invocationForm(r.Header.Get("Content-Type"))
	if !ok {
		w.Header()["Content-Type"] = []string{"text/plain; charset=utf-8"}
		w.WriteHeader(http.StatusUnsupportedMediaType)
		_, _ = w.Write([]byte("This predictor only supports the following content types: Types: ['text/csv', 'application/json'], with the parameter charset=utf-8 or none.\n"))
		return
	}
	h.predict(w, r, protocol{form: form, fail: failMLflow}, model, "")
}

// invocationForm returns the form of a body of a content type. The only parameter is charset=utf-8.
func invocationForm(contentType string) (wire.Form, bool) {
	kind, parameters, err := mime.ParseMediaType(contentType)
	charset, said := parameters["charset"]
	if err != nil || said && !strings.EqualFold(charset, "utf-8") || len(parameters) > 1 || len(parameters) == 1 && !said {
		return 0, false
	}
	switch kind {
	case "application/json":
		return wire.Invocations, true
	case "text/csv":
		return wire.CSV, true
	}
	return 0, false
}

// failMLflow writes {"error_code": ..., "message": ...}; what took too long is told as text.
func failMLflow(w http.ResponseWriter, f failure) {
	if f.status == http.StatusGatewayTimeout {
		f.header(w, "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(f.err.Error())) // an error means that nobody is there to read it
		return
	}
	f.header(w, jsonType[0])
	_ = json.NewEncoder(w).Encode(struct { // an error means that nobody is there to read it
		Code    string `json:"error_code"`
		Message string `json:"message"`
	}{mlflowCode(f.status), f.text()})
}

// mlflowCode returns MLflow's name for a status.
func mlflowCode(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "UNAUTHENTICATED"
	case http.StatusForbidden:
		return "PERMISSION_DENIED"
	case http.StatusNotFound:
		return "RESOURCE_DOES_NOT_EXIST"
	case http.StatusConflict:
		return "INVALID_STATE"
	case http.StatusTooManyRequests:
		return "REQUEST_LIMIT_EXCEEDED"
	case http.StatusServiceUnavailable:
		return "TEMPORARILY_UNAVAILABLE"
	case http.StatusInternalServerError:
		return "INTERNAL_ERROR"
	}
	return "BAD_REQUEST"
}
