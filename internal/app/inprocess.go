package app

import (
	"errors"

	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/access"
	"github.com/bakeoffhq/bakeoff/internal/api"
)

// Client returns a client of this node's API, within the process, and what ends it. By names the
// person who acts.
func (n *Node) Client(by string) (*client.Client, func() error, error) {
	mux := access.NewMux()
	api.Register(mux, face{n}, api.Options{Log: n.config.Log})
	front := newFront(n.config, access.Config{Tokens: n.keyring})
	l := api.NewInProcess()
	front.answer(l, access.Socket, mux)
	transport := l.Transport()
	c, err := client.New(client.Options{BaseURL: "http://localhost", By: by, Transport: transport})
	end := func() error {
		transport.CloseIdleConnections()
		return front.drain(0)
	}
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	return c, end, nil
}
