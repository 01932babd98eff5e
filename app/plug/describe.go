package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"plugboard/app/plug/describe"
)

// runDescribe writes the generated documents, or says which are stale.
func runDescribe(ctx context.Context, args []string, stdout io.Writer) error {
	check := slices.Equal(args, []string{"-check"})
	if len(args) > 0 && !check {
		return fmt.Errorf("describe takes -check or nothing, not %q", args)
	}
	dir, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	service, err := describe.Ask(ctx, dir)
	if err != nil {
		return err
	}
	files, err := describe.Files(ctx, dir, service)
	if err != nil {
		return err
	}
	if files, err = describe.Changed(dir, files); err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(files))
	if check && len(names) > 0 {
		return fmt.Errorf("%s are stale: run make docs and commit them", strings.Join(names, ", "))
	}
	for _, name := range names {
		fmt.Fprintln(stdout, name)
	}
	return describe.Write(dir, files)
}
