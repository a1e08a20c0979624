package outbound

// Allowed reports whether the guard lets a connection to address (host:port) pass.
func Allowed(address string) bool { return publicOnly("tcp", address, nil) == nil }
