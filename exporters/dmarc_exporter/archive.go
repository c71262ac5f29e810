package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/alecthomas/kingpin/v2"
	"github.com/alecthomas/units"

	"github.com/dmarc-suite/dmarc-suite/internal/dmarcconfig"
	"github.com/dmarc-suite/dmarc-suite/internal/reportfiles"
)

// archiveOptions are the flags of the archive.
type archiveOptions struct {
	file     string
	maxBytes units.Base2Bytes
	files    int
}

func (o *archiveOptions) addFlags(c *kingpin.CmdClause) {
	c.Flag("archive.file", "File that every record of counted aggregate reports is appended to, with its IP address, as one JSON object per line. Without it, no records are kept.").StringVar(&o.file)
	c.Flag("archive.max-bytes", "Maximum size of the archive before it is rotated to a file with the suffix .1.").Default("100MB").BytesVar(&o.maxBytes)
	c.Flag("archive.files", "How many rotated files of the archive are kept.").Default("10").IntVar(&o.files)
}

// check finds mistakes. An archive in a directory that is read would be read as a report.
func (o *archiveOptions) check(sources *dmarcconfig.Sources) error {
	if o.file == "" {
		return nil
	}
	if o.maxBytes < 1 || o.files < 1 {
		return errors.New("--archive.files and --archive.max-bytes must be at least 1")
	}
	path, err := filepath.Abs(o.file)
	if err != nil {
		return err
	}
	for _, source := range sources.Directories {
		if dir, err := filepath.Abs(string(source.Path)); err == nil && dir == filepath.Dir(path) {
			return fmt.Errorf("--archive.file: %s is in the directory %s, which is read for reports; choose another directory", o.file, source.Path)
		}
	}
	return nil
}

func (o *archiveOptions) open() (*reportfiles.Archive, error) {
	return reportfiles.OpenArchive(o.file, int64(o.maxBytes), o.files)
}
