// Package reportfiles does the work of the commands that read report files and
// serve nothing: check, parse and backfill, and of those of report. It also keeps the archive of
// records, because its lines are those of parse.
package reportfiles

import (
	"errors"
	"io"
)

// ErrRefused means that all input was read and something in it was refused;
// the output names it.
var ErrRefused = errors.New("some input was refused")

// Streams are the standard streams of a command. The input is read for the path "-".
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}
