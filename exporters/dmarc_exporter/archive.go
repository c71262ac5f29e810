package main

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"

	"github.com/dmarc-suite/dmarc-suite/internal/dmarcconfig"
	"github.com/dmarc-suite/dmarc-suite/internal/reportfiles"
)

// archiveOptions are the flags of the archive.
type archiveOptions struct {
	file     string
	maxBytes units.Base2Bytes
	files    int
	maxAge   model.Duration
}

func (o *archiveOptions) addFlags(c *kingpin.CmdClause) {
	c.Flag("archive.file", "File that counted reports are appended to, one JSON object per line for each record of an aggregate report, policy of a TLS report and failure report.").StringVar(&o.file)
	c.Flag("archive.max-bytes", "Maximum size of the archive before it is packed into a file with the suffix .1.gz and another one is begun.").Default("100MB").BytesVar(&o.maxBytes)
	c.Flag("archive.max-age", "Maximum age of the first line of the archive, such as 1d, before another file is begun. Use 0 for any age.").Default("0").SetValue(&o.maxAge)
	c.Flag("archive.files", "How many packed files of the archive are kept.").Default("10").IntVar(&o.files)
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

func (o *archiveOptions) open(logger *slog.Logger) (*reportfiles.Archive, error) {
	return reportfiles.OpenArchive(reportfiles.ArchiveConfig{
		Path: o.file, MaxBytes: int64(o.maxBytes), MaxAge: time.Duration(o.maxAge), Files: o.files, Logger: logger,
	})
}
