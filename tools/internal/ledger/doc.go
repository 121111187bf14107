// Package ledger holds the rule that no two rows of the bug ledger show the same thing; its test
// plays every row with the lessons' own commands and compares what was recorded.
package ledger
