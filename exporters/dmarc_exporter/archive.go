package main

import (
	"fmt"
	"path/filepath"

	"github.com/alecthomas/kingpin/v2"
	"github.com/alecthomas/units"

	"github.com/dmarc-suite/dmarc-suite/internal/reportfiles"
)

// archiveOptions are the flags of the archive.
type archiveOptions struct {
	file     string
	maxBytes units.Base2Bytes
	files    int
}

func (o *archiveOptions) addFlags(c *kingpin.CmdClause) {
	c.Flag("archive.file", "File to which every record of the aggregate reports that count is appended, with its address, one line of JSON each. Without it nothing is kept.").StringVar(&o.file)
	c.Flag("archive.max-bytes", "How large the archive may be before another file is begun, and this one gets the suffix .1.").Default("100MB").BytesVar(&o.maxBytes)
	c.Flag("archive.files", "How many full files of the archive are kept.").Default("10").IntVar(&o.files)
}

// check finds mistakes. What is in a directory that is read would be read as a report.
func (o *archiveOptions) check(sources *sourcesConfig) error {
	if o.file == "" {
		return nil
	}
	if o.maxBytes < 1 || o.files < 1 {
		return fmt.Errorf("archive: %d files of %d bytes are too few", o.files, o.maxBytes)
	}
	path, err := filepath.Abs(o.file)
	if err != nil {
		return err
	}
	for _, source := range sources.Directories {
		if dir, err := filepath.Abs(string(source.Path)); err == nil && dir == filepath.Dir(path) {
			return fmt.Errorf("archive: %s lies in the directory %s, which is read", o.file, source.Path)
		}
	}
	return nil
}

func (o *archiveOptions) open() (*reportfiles.Archive, error) {
	return reportfiles.OpenArchive(o.file, int64(o.maxBytes), o.files)
}
