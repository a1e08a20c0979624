package deploy

import "github.com/bakeoffhq/bakeoff/internal/outbound"

// DialWith replaces the network for hooks that may be private.
func (d *Deployer) DialWith(dial outbound.Dialer) { d.client.Private = dial }
