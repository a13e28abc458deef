"""Who asks, and what they may: tokens, scopes, and the record of every change. No SQL here, and no views."""
