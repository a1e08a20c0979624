package cli

import _ "embed"

var (
	//go:embed unit.service.txt
	serviceUnit string

	//go:embed unit.socket.txt
	socketUnit string
)

// systemdUnits returns the units of a node that runs as a service: the socket that outlives its
// restarts, then the service. Each begins with the path that it belongs to.
func systemdUnits() string { return socketUnit + "\n" + serviceUnit }
