package reportfiles

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// Export prints what a store keeps, one line for each record, policy and failure
// report, as parse prints them: as JSON, or as CSV.
func Export(ctx context.Context, w io.Writer, engine store.Engine, filter store.Filter, asCSV bool) error {
	v, err := engine.View(ctx)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, outputSize)
	write := func(l reportjson.Line) error { return reportjson.Write(out, l) }
	if asCSV {
		write = func(l reportjson.Line) error { return writeRow(out, l) }
		err = writeHeader(out)
	}
	if err == nil {
		err = store.Export(ctx, v, filter, func(l reportjson.Line) error {
			if err := write(l); err != nil {
				return fmt.Errorf("write output: %w", err)
			}
			return nil
		})
	}
	if e := out.Flush(); err == nil && e != nil {
		err = fmt.Errorf("write output: %w", e)
	}
	return errors.Join(err, v.Close())
}

// Describe says how much is in a store that was checked.
func Describe(c *store.Checked) string {
	text := fmt.Sprintf("%s counted, %s kept with %s; %s counted, %s in records", plural(int(c.Identities), "report"), wording.Grouped(c.Reports), plural(int(c.Records), "record"),
		plural(int(c.Counted), "message"), wording.Grouped(c.Recorded))
	if c.Recorded < c.Counted {
		text += " (the others were counted without their records, or those were deleted since)"
	}
	return text
}
