package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
)

// checkTimeout bounds a check on a server.
const checkTimeout = 2 * time.Minute

// check is the command of that name. It returns 1 if something does not work.
func check(f *flags, logger *slog.Logger, stdout, stderr io.Writer) int {
	patterns := f.checkFiles
	if len(patterns) == 0 {
		patterns = list(f.queryPaths)
	}
	c, err := loadConfig(f.configFile)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	queries, err := checkFiles(f, patterns, stdout)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	if !f.checkConnect {
		return 0
	}
	ok, err := checkServer(f, c, queries, logger, stdout)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	if !ok {
		return 1
	}
	return 0
}

// convert is the command of that name. It returns 1 if there is nothing to print.
func convert(file string, stdout, stderr io.Writer) int {
	text, err := os.ReadFile(file)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	text, notes, err := queryfile.Convert(file, text)
	for _, note := range notes {
		fmt.Fprintln(stderr, note)
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	fmt.Fprintf(stdout, "%s", text)
	return 0
}

// checkFiles parses query files, or takes the DMARC pack if there are none, and
// compares their names with what is built in.
func checkFiles(f *flags, patterns []string, stdout io.Writer) ([]*queryfile.Query, error) {
	if len(patterns) == 0 {
		files, err := queryfile.Parse("postgres-queries.yaml", dmarcPack)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(stdout, "the built-in DMARC pack: %d queries\n", len(files.Queries))
		return files.Queries, nil
	}
	files, err := queryfile.Load(patterns...)
	if err != nil {
		return nil, err
	}
	if err := queryfile.CheckNames(append(queryfile.Core(queryfile.CoreConfig{Enabled: f.coreEnabled}), files.Queries...)); err != nil {
		return nil, fmt.Errorf("%w\n(a query file takes the place of what is built in; rename, or disable what it replaces)", err)
	}
	for _, sum := range files.Sums {
		n := 0
		for _, q := range files.Queries {
			if q.At.File == sum.Name {
				n++
			}
		}
		fmt.Fprintf(stdout, "%s: %d queries\n", sum.Name, n)
	}
	return files.Queries, nil
}

// checkServer runs the queries on the first data source and reports whether
// all of them work.
func checkServer(f *flags, c *fileConfig, queries []*queryfile.Query, logger *slog.Logger, stdout io.Writer) (bool, error) {
	all, err := sources(c)
	if err != nil {
		return false, err
	}
	if len(all) == 0 {
		return false, errors.New("there is no data source")
	}
	if len(all) > 1 {
		logger.Warn("only the first data source is used", "data_sources", len(all))
	}
	sessions := postgres.Open(all[0].settings, f.sessions)
	defer sessions.Close()
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	ok := true
	err = postgres.Check(ctx, sessions, queries, func(one postgres.Checked) {
		ok = report(one, stdout) && ok
	})
	if err != nil {
		return false, fmt.Errorf("no session: %s: %w", postgres.ReasonOf(err), err)
	}
	return ok, nil
}

// maxShown is how many series of a query are printed.
const maxShown = 20

// report prints what a query gave and returns whether it works.
func report(c postgres.Checked, w io.Writer) bool {
	if c.Skipped != "" {
		fmt.Fprintf(w, "%s: %s: skipped, %s\n", c.Query.At, c.Query.Name, c.Skipped)
		return true
	}
	fmt.Fprintf(w, "%s: %s: %d rows, %d series, %v\n", c.Query.At, c.Query.Name, c.Rows, len(c.Series), c.Took.Round(100*time.Microsecond))
	for i, s := range c.Series {
		if i == maxShown {
			fmt.Fprintf(w, "    … and %d more\n", len(c.Series)-i)
			break
		}
		fmt.Fprintf(w, "    %s\n", s)
	}
	ok := true
	for _, finding := range c.Findings {
		kind := "warning"
		if finding.Error {
			kind, ok = "error", false
		}
		fmt.Fprintf(w, "%s: %s: %s\n", finding.At, kind, finding.Text)
	}
	return ok
}
