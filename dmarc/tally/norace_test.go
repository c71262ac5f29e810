//go:build !race

package tally

const raceDetector = false
