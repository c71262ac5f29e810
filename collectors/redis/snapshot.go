package redis

import "time"

// snapshot is all that one collection learned.
type snapshot struct {
	err     error // why the server is not up
	info    info
	facts   *facts
	answers []answer

	took, connect, ping time.Duration
	collections         uint64  // this one included
	seconds             float64 // of all of them
}
