package inference

import (
	"encoding/json"
	"net/http"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/wire"
)

// tensors has the Open Inference Protocol, version 2, over REST.
func (h *handler) tensors(mux *http.ServeMux) {
	on(mux, http.MethodGet, "/v2", failTensors, h.server)
	on(mux, http.MethodGet, "/v2/{$}", failTensors, h.server)
	on(mux, http.MethodGet, "/v2/health/live", failTensors, func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]bool{"live": true})
	})
	on(mux, http.MethodGet, "/v2/health/ready", failTensors, h.ready)
	for _, path := range []string{"/v2/models/{model}", "/v2/models/{model}/versions/{version}"} {
		on(mux, http.MethodGet, path, failTensors, h.metadata)
		on(mux, http.MethodGet, path+"/ready", failTensors, h.modelReady)
		on(mux, http.MethodPost, path+"/infer", failTensors, h.infer)
	}
	nothing(mux, "/v2/", failTensors, "POST /v2/models/NAME/infer asks for predictions")
}

// failTensors writes {"error": ...}, all that the protocol has.
func failTensors(w http.ResponseWriter, f failure) {
	f.header(w, jsonType[0])
	_ = json.NewEncoder(w).Encode(map[string]string{"error": f.text()}) // an error means that nobody is there to read it
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header()["Content-Type"] = jsonType
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // an error means that nobody is there to read it
}

// server describes the server. The binary form of tensors, an extension, is not among what it takes.
func (h *handler) server(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, struct {
		Name       string   `json:"name"`
		Version    string   `json:"version"`
		Extensions []string `json:"extensions"`
	}{"bakeoff", h.opt.Version, []string{}})
}

func (h *handler) ready(w http.ResponseWriter, _ *http.Request) {
	status, ready := http.StatusOK, h.models.Ready()
	if !ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, struct {
		Ready bool `json:"ready"`
		Live  bool `json:"live"`
	}{ready, true})
}

func (h *handler) metadata(w http.ResponseWriter, r *http.Request) {
	m, err := h.models.Acquire(r.Context(), r.PathValue("model"), r.PathValue("version"))
	if err != nil {
		failTensors(w, failureOf(err))
		return
	}
	defer m.Release()
	w.Header()["Content-Type"] = jsonType
	w.Header()[versionHeader] = m.Codec().Header()
	_, _ = w.Write(m.Codec().Metadata(h.models.Versions(r.PathValue("model")))) // an error means that nobody is there to read it
}

func (h *handler) modelReady(w http.ResponseWriter, r *http.Request) {
	m, err := h.models.Acquire(r.Context(), r.PathValue("model"), r.PathValue("version"))
	if err != nil {
		failTensors(w, failureOf(err))
		return
	}
	defer m.Release()
	w.Header()[versionHeader] = m.Codec().Header()
	writeJSON(w, http.StatusOK, struct {
		Name  string `json:"name"`
		Ready bool   `json:"ready"`
	}{r.PathValue("model"), true})
}

func (h *handler) infer(w http.ResponseWriter, r *http.Request) {
	p := protocol{form: wire.Tensors, fail: failTensors}
	err := wantJSON(r)
	if r.Header.Get("Inference-Header-Content-Length") != "" {
		err = bakeoff.Errorf(bakeoff.CodeInvalid, "the binary form of tensors is not taken").WithHint("send JSON")
	}
	if err != nil {
		p.fail(w, failure{status: http.StatusUnsupportedMediaType, err: err})
		return
	}
	h.predict(w, r, p, r.PathValue("model"), r.PathValue("version"))
}
