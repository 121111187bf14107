// Package ledger holds the rule that no two rows of the bug ledger show the same thing; its test
// compares the recordings that the lessons keep.
package ledger
