package files_test

import (
	"testing"

	files "socketbook/labs/14"
	"socketbook/labs/14/filestest"
)

func TestFiles(t *testing.T) { filestest.Run(t, filestest.Lab{Fetch: files.Fetch}) }
