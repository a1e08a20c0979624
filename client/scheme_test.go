package client_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
)

// TestHTTPToATLSPort asks a server with TLS as if it had none.
func TestHTTPToATLSPort(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	url := strings.Replace(server.URL, "https:", "http:", 1)
	c, err := client.New(client.Options{BaseURL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err = c.Node(t.Context()); bakeoff.HintOf(err) != "try "+server.URL {
		t.Errorf("%v, with the hint %q", err, bakeoff.HintOf(err))
	}
}
