"""The ground floor: pure rules, values in and values out; they know no charge point."""
