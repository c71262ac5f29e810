package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	check := flag.Bool("check", false, "check what runs, and end")
	var s size
	flag.IntVar(&s.hosts, "hosts", 1, "how many hosts there seem to be")
	flag.IntVar(&s.domains, "domains", len(senders), "number of domains that reports are about")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *check, s); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// size is how large the demo is.
type size struct{ hosts, domains int }

// run starts everything, and stops it before it returns.
func run(ctx context.Context, check bool, s size) (err error) {
	h := &host{}
	defer h.close()
	defer h.recover(&err)
	began := time.Now()
	d := start(ctx, h, s, !check)
	fmt.Printf("\nAll runs, after %.0f s.\n\n%s\n", time.Since(began).Seconds(), d.addresses())
	if !check {
		fmt.Println("Ctrl-C stops everything.")
		<-ctx.Done()
		return nil
	}
	err = d.check(ctx)
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	fmt.Printf("\n%.0f s in all.\n", time.Since(began).Seconds())
	return err
}
