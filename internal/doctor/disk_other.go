//go:build !linux

package doctor

func fileSystem(string) string { return "" }

func freeSpace(string) (uint64, bool) { return 0, false }

func fileLimit() (uint64, bool) { return 0, false }
