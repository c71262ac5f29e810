package dmarc

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

// ArchiveOptions are the flags of the archive.
type ArchiveOptions struct {
	File     string
	MaxBytes units.Base2Bytes
	Files    int
	maxAge   model.Duration
}

func (o *ArchiveOptions) addFlags(c *kingpin.CmdClause) {
	c.Flag("archive.file", "File that counted reports are appended to, one JSON object per line for each record of an aggregate report, policy of a TLS report and failure report.").StringVar(&o.File)
	c.Flag("archive.max-bytes", "Maximum size of the archive before it is packed into a file with the suffix .1.gz and another one is begun.").Default("100MB").BytesVar(&o.MaxBytes)
	c.Flag("archive.max-age", "Maximum age of the first line of the archive, such as 1d, before another file is begun. Use 0 for any age.").Default("0").SetValue(&o.maxAge)
	c.Flag("archive.files", "How many packed files of the archive are kept.").Default("10").IntVar(&o.Files)
}

// check finds mistakes. An archive in a directory that is read would be read as a report.
func (o *ArchiveOptions) check(sources *dmarcconfig.Sources) error {
	if o.File == "" {
		return nil
	}
	if o.MaxBytes < 1 || o.Files < 1 {
		return errors.New("--archive.files and --archive.max-bytes must be at least 1")
	}
	path, err := filepath.Abs(o.File)
	if err != nil {
		return err
	}
	for _, source := range sources.Directories {
		if dir, err := filepath.Abs(string(source.Path)); err == nil && dir == filepath.Dir(path) {
			return fmt.Errorf("--archive.file: %s is in the directory %s, which is read for reports; choose another directory", o.File, source.Path)
		}
	}
	return nil
}

func (o *ArchiveOptions) open(logger *slog.Logger) (*reportfiles.Archive, error) {
	return reportfiles.OpenArchive(reportfiles.ArchiveConfig{
		Path: o.File, MaxBytes: int64(o.MaxBytes), MaxAge: time.Duration(o.maxAge), Files: o.Files, Logger: logger,
	})
}
