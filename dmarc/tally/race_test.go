//go:build race

package tally

// raceDetector says that the test runs under the race detector, which also
// ends the process at pointer arithmetic that leaves an allocation.
const raceDetector = true
