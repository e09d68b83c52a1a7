"""The words of DESIGN as frozen values: request, schedule, ticket, finding, change. No I/O."""
